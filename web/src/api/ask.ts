import { headers } from "./client";
import { RequestFailed, failureOf, readProblem } from "./failure";
import { SseParser, type ServerSentEvent } from "./sse";
import type { AskEvent } from "./types";

const KNOWN = new Set(["sources", "token", "sentence", "extracts", "done", "error"]);

function decode({ event, data }: ServerSentEvent): AskEvent | null {
  if (!KNOWN.has(event)) return null;
  const body: unknown = JSON.parse(data);
  if (event === "error") return { type: "error", data: readProblem(body, 500) };
  return { type: event, data: body } as AskEvent;
}

/**
 * Asks a question and hands each event to `onEvent` as it comes.
 *
 * Resolves when the server ended the answer by `done` or `error`. Throws `RequestFailed` when the
 * server refused, could not be reached, or when the stream ended before the answer did; throws the
 * browser's AbortError when `signal` stopped it.
 */
export async function ask(
  question: string,
  language: string,
  onEvent: (event: AskEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  let response: Response;
  try {
    response = await fetch("/api/ask", {
      method: "POST",
      headers: {
        ...headers(language),
        "Content-Type": "application/json",
        Accept: "text/event-stream",
      },
      body: JSON.stringify({ question, language }),
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new RequestFailed({ kind: "network" });
  }
  if (!response.ok || !response.body) throw new RequestFailed(await failureOf(response));

  const reader = response.body.getReader();
  const parser = new SseParser();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const raw of parser.push(value)) {
        const event = decode(raw);
        if (!event) continue;
        if (event.type === "done" || event.type === "error") ended = true;
        onEvent(event);
      }
    }
  } catch (error) {
    if (signal.aborted) throw error;
    if (!ended) throw new RequestFailed({ kind: "cut" });
  } finally {
    reader.releaseLock();
  }
  if (!ended) throw new RequestFailed({ kind: "cut" });
}
