import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "./App";
import type { Citation, Status } from "./api/types";
import { startI18n } from "./i18n/setup";

const status: Status = {
  version: "0.1.0",
  ready: true,
  anonymous: true,
  model: { id: "m", state: "ready", weak: false, detail: null },
  encoder: { id: "e", state: "ready" },
  collections: [],
  loads: [],
};

const document1 = {
  id: "d1",
  external_id: "F1",
  title: "Carte de lecteur",
  url: "https://exemple.test/F1",
  date: "2020-07-21",
  collection: "c",
  kind: "fiche",
  theme_path: ["Bibliothèque"],
  stale: true,
};
const text1 = "Une photo récente.\n\nUn justificatif.";
const source = {
  number: 1,
  document: document1,
  passage: { id: 1, text: "Une photo récente.", start: 0, end: 18, heading_path: [] },
};

function citation(part: Partial<Citation>): Citation {
  return {
    number: 1,
    start: 0,
    end: 0,
    status: "checked",
    reason: null,
    found_in: null,
    version: null,
    document_id: "d1",
    passage_id: 1,
    span: { start: 4, end: 9 },
    quote: "photo",
    ...part,
  };
}

let stream: ReadableStreamDefaultController<Uint8Array>;
let present: Status;
let askResponse: () => Response | Promise<Response>;

function emit(event: string, data: unknown) {
  stream.enqueue(new TextEncoder().encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
}

async function show(...events: [string, unknown][]) {
  await act(async () => {
    for (const [event, data] of events) emit(event, data);
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
}

function start() {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <App />
    </QueryClientProvider>,
  );
  return screen.getByTestId<HTMLTextAreaElement>("question");
}

async function send(question: string) {
  const box = screen.getByTestId("question");
  await act(async () => {
    fireEvent.change(box, { target: { value: question } });
  });
  await act(async () => {
    fireEvent.keyDown(box, { key: "Enter" });
  });
}

beforeAll(startI18n);
beforeEach(() => {
  present = status;
  sessionStorage.clear();
  vi.stubGlobal("matchMedia", () => ({
    matches: false,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }));
  Element.prototype.scrollTo = () => undefined;
  askResponse = () =>
    new Response(new ReadableStream<Uint8Array>({ start: (each) => void (stream = each) }));
  vi.stubGlobal("fetch", async (path: string) => {
    if (path === "/api/status") return Response.json(present);
    if (path === "/api/ask") return askResponse();
    return Response.json({
      ...document1,
      audience: null,
      text: text1,
      blocks: [
        { kind: "item", level: 1, start: 0, end: 18 },
        { kind: "item", level: 1, start: 20, end: 36 },
      ],
      metadata: {},
    });
  });
});
afterEach(cleanup);

describe("the page", () => {
  it("says so where the installation has no model", async () => {
    present = { ...status, model: null, encoder: null };
    start();
    expect(await screen.findByText(/Aucun modèle de langue/)).toBeTruthy();
    expect(await screen.findByText("Chappe 0.1.0, modèle aucun")).toBeTruthy();
  });

  it("keeps the text being typed across a reload", () => {
    fireEvent.change(start(), { target: { value: "Ma question" } });
    cleanup();
    expect(start().value).toBe("Ma question");
  });

  it("shows what the model wrote as text, with references and verdicts", async () => {
    start();
    await send("Quelles pièces ?");
    const text = "Une photo [1]. <img src=x onerror=alert(1)> [4].";
    await show(
      ["sources", { sources: [source] }],
      ["token", { text }],
      [
        "sentence",
        { index: 0, start: 0, end: 14, status: "supported", citations: [citation({ start: 10, end: 13 })] },
      ],
      [
        "sentence",
        {
          index: 1,
          start: 15,
          end: 48,
          status: "unsupported",
          citations: [
            citation({
              number: 4,
              start: 44,
              end: 47,
              status: "failed",
              reason: "unknown_source",
              document_id: null,
              span: null,
            }),
          ],
        },
      ],
      ["done", { status: "partly_supported", truncated: false }],
    );
    const answer = screen.getByTestId("answer");
    expect(answer.querySelector("img")).toBeNull();
    expect(answer.textContent).toContain("<img src=x onerror=alert(1)>");
    expect(within(answer).getByText("non étayé par les sources")).toBeTruthy();
    const [checked, failed] = within(answer).getAllByTestId("citation");
    expect(checked?.tagName).toBe("BUTTON");
    expect(checked?.textContent).toContain("Source 1, vérifiée\u00a0: Carte de lecteur");
    expect(failed?.dataset["status"]).toBe("failed");
    expect(failed?.tagName).toBe("SPAN");
    expect(screen.getByTestId("status").textContent).toBe("Réponse terminée, une citation vérifiée.");
    expect(screen.getByTestId<HTMLTextAreaElement>("question").value).toBe("");
  });

  it("opens a source at its cited words and gives the focus back", async () => {
    start();
    await send("Quelles pièces ?");
    await show(
      ["sources", { sources: [source] }],
      ["token", { text: "Photo [1]." }],
      [
        "sentence",
        { index: 0, start: 0, end: 10, status: "supported", citations: [citation({ start: 6, end: 9 })] },
      ],
      ["done", { status: "supported", truncated: false }],
    );
    const reference = screen.getByTestId("citation");
    reference.focus();
    fireEvent.click(reference);
    expect((await screen.findByTestId("source-highlight")).textContent).toBe("photo");
    expect(screen.getByTestId("source-panel").textContent).toContain("Cette fiche date du 21 juillet 2020");
    expect(document.activeElement?.id).toBe("panel-title");
    fireEvent.keyDown(document, { key: "Escape" });
    await waitFor(() => expect(screen.queryByTestId("source-panel")).toBeNull());
    expect(document.activeElement).toBe(reference);
  });

  it("puts extracts first and folds an unsupported draft away", async () => {
    start();
    await send("Quelles pièces ?");
    await show(
      ["sources", { sources: [source] }],
      ["token", { text: "Faux." }],
      ["extracts", { reason: "unsupported", extracts: [{ ...source, start: 0, end: 18, text: "Une photo récente." }] }],
      ["done", { status: "unsupported", truncated: false }],
    );
    expect(screen.getByTestId("extract").querySelector("blockquote")?.textContent).toBe(
      "Une photo récente.",
    );
    const draft = screen.getByText("Voir le texte du modèle, non étayé").closest("details");
    expect(draft?.open).toBe(false);
    expect(draft?.textContent).toContain("Faux.");
  });

  it("keeps what came, and the question, when the stream is cut", async () => {
    start();
    await send("Quelles pièces ?");
    await show(["sources", { sources: [source] }], ["token", { text: "Une pho" }]);
    await act(async () => {
      stream.close();
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
    expect(screen.getByTestId("error").textContent).toContain("coupée au milieu de la réponse");
    expect(screen.getByTestId("answer").textContent).toContain("Une pho");
    expect(screen.getByTestId<HTMLTextAreaElement>("question").value).toBe("Quelles pièces ?");
    expect(screen.getByTestId("retry")).toBeTruthy();
  });

  it("asks for a key when the server refuses for want of one", async () => {
    askResponse = () => Response.json({ title: "Clé", status: 401 }, { status: 401 });
    start();
    await send("Quelles pièces ?");
    expect(await screen.findByTestId("key")).toBeTruthy();
    expect(screen.getByTestId<HTMLTextAreaElement>("question").value).toBe("Quelles pièces ?");
  });
});
