import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { startI18n } from "../i18n/setup";
import AdminPage from "./AdminPage";
import { adminSection, type Section } from "./section";

const limit = {
  id: "l1",
  etag: '"v1"',
  subject: "organisation:u",
  model: null,
  measure: "tokens",
  period: "day",
  amount: 1000,
  input_weight: 1,
  output_weight: 1,
  action: "refuse",
  warn_at: 0.8,
  used: 250,
  held: 400,
  remaining: 750,
  resets_at: "2026-12-01T00:00:00Z",
};
const calls: { method: string; path: string; body: unknown; seen: string | undefined }[] = [];
let answers: Record<string, () => Response>;

function start(section: Section) {
  return render(
    <QueryClientProvider client={new QueryClient()}>
      <AdminPage section={section} />
    </QueryClientProvider>,
  );
}

beforeAll(async () => {
  await startI18n();
  // jsdom has no modal dialogue; Chromium's own is driven by tests/browser.
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function close() {
    this.open = false;
  };
});
beforeEach(() => {
  calls.length = 0;
  sessionStorage.clear();
  sessionStorage.setItem("chappe.key", "chp_test");
  answers = {
    "GET /api/status": () => new Response(null, { status: 503 }),
    "GET /api/admin/me": () => Response.json({ scopes: ["manage", "operate"] }),
    "GET /api/admin/limits": () => Response.json([limit]),
  };
  vi.stubGlobal("fetch", async (path: string, options: RequestInit) => {
    const method = options.method ?? "GET";
    const body: unknown = options.body ? JSON.parse(String(options.body)) : undefined;
    const sent = options.headers as Record<string, string>;
    const seen = sent["If-Match"] ?? (sent["If-None-Match"] && `not ${sent["If-None-Match"]}`);
    calls.push({ method, path, body, seen });
    const answer = answers[`${method} ${path.split("?")[0]}`];
    if (answer) return answer();
    return method === "GET" ? Response.json([]) : new Response(null, { status: 204 });
  });
});
afterEach(cleanup);

const written = () => calls.filter((call) => call.method !== "GET");

describe("the administration", () => {
  it("is at an address of its own", () => {
    expect(adminSection("#/admin")).toBe("live");
    expect(adminSection("#/admin/limits")).toBe("limits");
    expect(adminSection("#/admin/nowhere")).toBe("live");
    expect(adminSection("#main")).toBeNull();
    expect(adminSection("#/administration")).toBeNull();
    expect(adminSection("")).toBeNull();
  });

  it("shows what is left of a limit", async () => {
    start("limits");
    const row = (await screen.findByText("organisation:u")).closest("tr");
    expect(row?.textContent).toContain("750");
  });

  it("removes nothing before it was confirmed", async () => {
    start("limits");
    const remove = await screen.findByRole("button", { name: /Supprimer.*organisation:u/ });
    fireEvent.click(remove);
    fireEvent.click(within(await screen.findByTestId("confirm")).getByText("Annuler"));
    await waitFor(() => expect(screen.queryByTestId("confirm")).toBeNull());
    expect(written()).toEqual([]);
    fireEvent.click(remove);
    fireEvent.click(await screen.findByTestId("confirm-yes"));
    await waitFor(() => expect(screen.getByTestId("result").textContent).toContain("Supprimé"));
    expect(written()).toEqual([
      {
        method: "DELETE",
        path: "/api/admin/limits?subject=organisation%3Au&measure=tokens&period=day",
        body: undefined,
        seen: '"v1"',
      },
    ]);
  });

  it("keeps what was typed when the server refuses it, and across a reload", async () => {
    answers["PUT /api/admin/limits"] = () =>
      Response.json({ title: "Objet inconnu", status: 404 }, { status: 404 });
    start("limits");
    fireEvent.click(await screen.findByTestId("add-limit"));
    const amount = () => screen.getByLabelText<HTMLInputElement>(/Quantité/);
    fireEvent.click(screen.getByTestId("save"));
    expect(amount().getAttribute("aria-invalid")).toBe("true");
    expect(document.activeElement).toBe(amount());
    expect(written()).toEqual([]);

    fireEvent.change(amount(), { target: { value: "12 000" } });
    fireEvent.click(screen.getByTestId("save"));
    expect((await screen.findByTestId("error")).textContent).toContain("Objet inconnu");
    expect(written()[0]?.body).toEqual({
      subject: "installation",
      model: null,
      measure: "tokens",
      period: "day",
      amount: 12000,
      action: "refuse",
    });
    expect(written()[0]?.seen).toBe("not *");
    cleanup();
    start("limits");
    await screen.findByTestId("save");
    expect(amount().value).toBe("12 000");
  });

  it("says what somebody else has changed meanwhile, and goes on from there", async () => {
    const changed = () =>
      Response.json({ title: "Changé", status: 412, code: "changed_meanwhile" }, { status: 412 });
    answers["PUT /api/admin/limits"] = changed;
    start("limits");
    fireEvent.click(await screen.findByRole("button", { name: /Modifier.*organisation:u/ }));
    const amount = () => screen.getByLabelText<HTMLInputElement>(/Quantité/);
    fireEvent.change(amount(), { target: { value: "2000" } });
    // Somebody else changes what is done when the limit is reached; the page reads it by itself.
    answers["GET /api/admin/limits"] = () =>
      Response.json([{ ...limit, action: "slow", etag: '"v2"' }]);
    fireEvent.click(screen.getByTestId("save"));
    const conflict = await screen.findByTestId("conflict");
    expect(written()[0]?.seen).toBe('"v1"');
    expect(conflict.textContent).toMatch(/refuser.*ralentir/);
    expect(amount().value).toBe("2000");

    // After a reload of the page too, what is saved is saved over the version that was opened.
    cleanup();
    start("limits");
    expect((await screen.findByLabelText<HTMLInputElement>(/Quantité/)).value).toBe("2000");
    fireEvent.click(screen.getByTestId("save"));
    await screen.findByTestId("conflict");
    expect(written()[1]?.seen).toBe('"v1"');

    fireEvent.click(screen.getByTestId("conflict-merge"));
    expect(screen.queryByTestId("error")).toBeNull();
    delete answers["PUT /api/admin/limits"];
    fireEvent.click(screen.getByTestId("save"));
    await waitFor(() => expect(screen.queryByTestId("save")).toBeNull());
    expect(written()[2]).toMatchObject({ seen: '"v2"', body: { amount: 2000, action: "slow" } });
    expect(written()[2]?.body).not.toHaveProperty("etag");
  });

  it("keeps what was typed of an object that somebody else has removed", async () => {
    answers["PUT /api/admin/limits"] = () =>
      Response.json({ title: "Changé", status: 412, code: "changed_meanwhile" }, { status: 412 });
    start("limits");
    fireEvent.click(await screen.findByRole("button", { name: /Modifier.*organisation:u/ }));
    const amount = () => screen.getByLabelText<HTMLInputElement>(/Quantité/);
    fireEvent.change(amount(), { target: { value: "2000" } });
    answers["GET /api/admin/limits"] = () => Response.json([]);
    fireEvent.click(screen.getByTestId("save"));
    fireEvent.click(await screen.findByTestId("conflict-anew"));
    expect(amount().value).toBe("2000");
    delete answers["PUT /api/admin/limits"];
    fireEvent.click(screen.getByTestId("save"));
    await waitFor(() => expect(screen.queryByTestId("save")).toBeNull());
    expect(written()[1]).toMatchObject({ seen: "not *", body: { amount: 2000 } });
  });

  it("gives a key with `manage` its organisation's sections, and no way to change a limit", async () => {
    answers["GET /api/admin/me"] = () => Response.json({ scopes: ["manage"] });
    start("live");
    await screen.findByTestId("section-identity");
    expect(screen.queryByTestId("section-live")).toBeNull();
    expect(screen.queryByTestId("section-catalogue")).toBeNull();
    cleanup();
    start("limits");
    await screen.findByText("organisation:u");
    expect(screen.queryByTestId("add-limit")).toBeNull();
    expect(screen.queryByRole("button", { name: /Supprimer/ })).toBeNull();
  });

  it("says what is missing to a key that may administer nothing, or isn't one", async () => {
    answers["GET /api/admin/me"] = () => Response.json({ scopes: ["ask"] });
    start("live");
    expect((await screen.findByTestId("no-right")).textContent).toContain("operate");
    cleanup();
    answers["GET /api/admin/me"] = () => Response.json({ title: "x", status: 401 }, { status: 401 });
    start("live");
    expect(await screen.findByTestId("key")).toBeTruthy();
  });

  it("never keeps a secret, and shows a new key's once", async () => {
    answers["POST /api/admin/keys"] = () => Response.json({ id: "k", key: "chp_secret" });
    answers["GET /api/admin/organisations"] = () => Response.json([{ slug: "default", weight: 1 }]);
    start("identity");
    fireEvent.click(await screen.findByTestId("add-key"));
    fireEvent.change(screen.getByLabelText(/Nom/), { target: { value: "poste" } });
    await act(async () => {
      fireEvent.click(screen.getByTestId("save"));
    });
    const shown = await screen.findByTestId<HTMLInputElement>("new-secret");
    expect(shown.value).toBe("chp_secret");
    expect(written()[0]?.body).toMatchObject({ name: "poste", level: 0, organisation: "default" });
    expect(JSON.stringify({ ...sessionStorage })).not.toContain("chp_secret");
    fireEvent.click(screen.getByTestId("secret-kept"));
    expect(screen.queryByTestId("new-secret")).toBeNull();
  });
});
