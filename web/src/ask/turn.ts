import type { Failure } from "../api/failure";
import type { EarlierTurn } from "../api/ask";
import type {
  AskEvent,
  Choice,
  Citation,
  Clarification,
  DocumentSummary,
  Done,
  Extracts,
  Searched,
  Sentence,
  Source,
  Warning,
} from "../api/types";
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
  /** The case that the reader chose for it. */
  chosen: Choice | null;
  phase: Phase;
  searched: Searched | null;
  text: string;
  sentences: Sentence[];
  sources: Source[];
  warnings: Warning[];
  clarification: Clarification | null;
  /** Documents to look at where none answers. */
  closest: DocumentSummary[];
  extracts: Extracts | null;
  done: Done | null;
  failure: Failure | null;
}

export function newTurn(id: number, question: string, chosen: Choice | null = null): Turn {
  return {
    id,
    question,
    chosen,
    phase: "searching",
    searched: null,
    text: "",
    sentences: [],
    sources: [],
    warnings: [],
    clarification: null,
    closest: [],
    extracts: null,
    done: null,
    failure: null,
  };
}

/** The turn after one event of its stream. */
export function receive(turn: Turn, event: AskEvent): Turn {
  switch (event.type) {
    case "search":
      return { ...turn, searched: event.data };
    case "warning":
      return { ...turn, warnings: [...turn.warnings, event.data] };
    case "clarification":
      return { ...turn, clarification: event.data };
    case "no_answer":
      return { ...turn, closest: event.data.closest };
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

/** How much of a conversation is sent with its next question. */
const TURNS_SENT = 6;
const ANSWER_SENT = 4_000;

/** What was asked and answered before, as the next question takes it along. */
export function earlier(turns: readonly Turn[]): EarlierTurn[] {
  return turns
    .filter((turn) => turn.phase === "done" || turn.phase === "stopped")
    .slice(-TURNS_SENT)
    .map((turn) => ({
      question: turn.question,
      answer: isSetAside(turn) ? "" : [...turn.text].slice(0, ANSWER_SENT).join(""),
      searched: turn.searched?.question ?? "",
      documents: documentsOf(turn).slice(0, 10),
    }));
}

/** The documents that an answer cites; where it cites none, those that were shown. */
function documentsOf(turn: Turn): string[] {
  const cited = citationsOf(turn)
    .filter((citation) => citation.status === "checked")
    .flatMap((citation) => citation.document_id ?? []);
  const shown = turn.extracts?.extracts.map((extract) => extract.document.id) ?? [];
  return [...new Set(cited.length > 0 ? cited : shown)];
}
