import { beforeEach, describe, expect, it, vi } from "vitest";
import { writeKey } from "../access/key";
import { ask } from "./ask";
import { RequestFailed } from "./failure";
import type { AskEvent } from "./types";

const frame = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

function answerWith(body: string, init?: ResponseInit) {
  const fetched = vi.fn(async (_path: string, _init: RequestInit) => new Response(body, init));
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

async function collect(signal = new AbortController().signal) {
  const events: AskEvent[] = [];
  const asked = { question: "Bonjour ?", turns: [], collections: null, case: null };
  await ask(asked, "fr", (event) => events.push(event), signal);
  return events;
}

async function failure(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RequestFailed)) throw new Error(`not a RequestFailed: ${String(error)}`);
  return error.failure;
}

describe("ask", () => {
  beforeEach(() => sessionStorage.clear());

  it("hands over events in order and ignores those it does not know", async () => {
    answerWith(
      frame("sources", { sources: [] }) +
        frame("novelty", {}) +
        frame("token", { text: "é" }) +
        frame("done", { status: "neutral" }),
    );
    expect((await collect()).map((event) => event.type)).toEqual(["sources", "token", "done"]);
  });

  it("sends the question, the language and the key", async () => {
    writeKey("k-1");
    const fetched = answerWith(frame("done", {}));
    await collect();
    const [path, init] = fetched.mock.calls[0] ?? [];
    expect(path).toBe("/api/ask");
    expect(JSON.parse(String(init?.body))).toEqual({ question: "Bonjour ?", turns: [] });
    expect(init?.headers).toMatchObject({ Authorization: "Bearer k-1", "Accept-Language": "fr" });
  });

  it("tells a stream that ends before its answer", async () => {
    answerWith(frame("sources", { sources: [] }) + frame("token", { text: "a" }));
    expect(await failure(collect())).toEqual({ kind: "cut" });
  });

  it("tells a refusal with the problem that the server described", async () => {
    answerWith(JSON.stringify({ title: "Indisponible", status: 503, request_id: "r" }), {
      status: 503,
    });
    expect(await failure(collect())).toMatchObject({
      kind: "problem",
      problem: { title: "Indisponible", status: 503, request_id: "r" },
    });
  });

  it("tells a refusal whose body is not a problem", async () => {
    answerWith("<h1>Bad gateway</h1>", { status: 502 });
    expect(await failure(collect())).toMatchObject({ problem: { title: "", status: 502 } });
  });

  it("tells a server out of reach", async () => {
    vi.stubGlobal("fetch", vi.fn().mockRejectedValue(new TypeError("Failed to fetch")));
    expect(await failure(collect())).toEqual({ kind: "network" });
  });

  it("lets an abort through as it is", async () => {
    const abort = new AbortController();
    abort.abort();
    const reason = new DOMException("stopped", "AbortError");
    vi.stubGlobal("fetch", vi.fn().mockRejectedValue(reason));
    await expect(collect(abort.signal)).rejects.toBe(reason);
  });
});
