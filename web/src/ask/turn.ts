import type { Failure } from "../api/failure";
import type { AskEvent, Citation, Done, Extracts, Sentence, Source } from "../api/types";
import { CodePointText } from "../text/codepoints";

/**
 * Where an answer stands. searching: no event yet; answering: sources are known, text comes;
 * done, stopped, failed: nothing more will come.
 */
export type Phase = "searching" | "answering" | "done" | "stopped" | "failed";

/** A question and all that came back for it. */
export interface Turn {
  id: number;
  question: string;
  phase: Phase;
  text: string;
  sentences: Sentence[];
  sources: Source[];
  extracts: Extracts | null;
  done: Done | null;
  failure: Failure | null;
}

export function newTurn(id: number, question: string): Turn {
  return {
    id,
    question,
    phase: "searching",
    text: "",
    sentences: [],
    sources: [],
    extracts: null,
    done: null,
    failure: null,
  };
}

/** The turn after one event of its stream. */
export function receive(turn: Turn, event: AskEvent): Turn {
  switch (event.type) {
    case "sources":
      return { ...turn, phase: "answering", sources: event.data.sources };
    case "token":
      return { ...turn, phase: "answering", text: turn.text + event.data.text };
    case "sentence":
      return { ...turn, sentences: [...turn.sentences, event.data] };
    case "extracts":
      return { ...turn, extracts: event.data };
    case "done":
      return { ...turn, phase: "done", done: event.data };
    case "error":
      return fail(turn, { kind: "problem", problem: event.data });
  }
}

export function fail(turn: Turn, failure: Failure): Turn {
  return { ...turn, phase: "failed", failure };
}

export function stop(turn: Turn): Turn {
  return isRunning(turn) ? { ...turn, phase: "stopped" } : turn;
}

export function isRunning(turn: Turn): boolean {
  return turn.phase === "searching" || turn.phase === "answering";
}

/** True when the model's text must not stand as the answer: extracts take its place. */
export function isSetAside(turn: Turn): boolean {
  return turn.extracts !== null || turn.done?.status === "unsupported";
}

/** True when the answer ended before its last words were judged. */
export function hasUnverifiedEnd(turn: Turn): boolean {
  const judged = Math.max(0, ...turn.sentences.map((sentence) => sentence.end));
  const text = new CodePointText(turn.text);
  return text.slice({ start: judged, end: text.length }).trim() !== "";
}

export function citationsOf(turn: Turn): Citation[] {
  return turn.sentences.flatMap((sentence) => sentence.citations);
}

export function checkedCount(turn: Turn): number {
  return citationsOf(turn).filter((citation) => citation.status === "checked").length;
}
