import { headers } from "./client";
import { RequestFailed, failureOf, readProblem } from "./failure";
import { SseParser, type ServerSentEvent } from "./sse";
import type { AskEvent, Choice } from "./types";

const KNOWN = new Set([
  "search",
  "sources",
  "warning",
  "clarification",
  "no_answer",
  "token",
  "sentence",
  "extracts",
  "done",
  "error",
]);

/** A question as it is sent. */
export interface Asked {
  question: string;
  /** What was asked and answered before, oldest first. */
  turns: EarlierTurn[];
  /** Where to search; null: wherever the reader may. */
  collections: string[] | null;
  /** The case that the reader chose, of an earlier clarification. */
  case: Choice | null;
}

export interface EarlierTurn {
  question: string;
  answer: string;
  searched: string;
  /** Documents that were cited, best first. */
  documents: string[];
}

function bodyOf({ question, turns, collections, case: chosen }: Asked): string {
  return JSON.stringify({
    question,
    turns,
    ...(collections ? { collections } : {}),
    ...(chosen ? { case: { document: chosen.document, path: chosen.path } } : {}),
  });
}

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
  asked: Asked,
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
      body: bodyOf(asked),
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
