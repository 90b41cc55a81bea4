import type { Citation, Sentence, SentenceStatus } from "../api/types";
import { CodePointText } from "../text/codepoints";

/** How a piece of the answer was judged; `pending` text has not been judged yet. */
export type PieceStatus = SentenceStatus | "pending";

/** A sentence that its sources don't support, or not wholly. */
export interface Doubt {
  status: "unsupported" | "partly";
  /** What they don't say, where only that is missing. */
  missing: string[];
}

/** A run of the answer's text with one status, or one citation marker. */
export interface Piece {
  text: string;
  status: PieceStatus;
  citation: Citation | null;
  /** Set on the last piece of a sentence that isn't wholly supported: its label follows. */
  closes: Doubt | null;
}

/**
 * Cuts an answer at the borders of its sentences and citation markers.
 *
 * The pieces' texts, joined, are the answer. A marker may stand outside its sentence; text between
 * two sentences is neutral; text after the last judged sentence is pending.
 */
export function cutAnswer(text: string, sentences: readonly Sentence[]): Piece[] {
  const answer = new CodePointText(text);
  const markers = sentences
    .flatMap((sentence) => sentence.citations)
    .filter((citation) => citation.end > citation.start && citation.end <= answer.length);
  const judgedUntil = Math.max(
    0,
    ...sentences.map((sentence) => sentence.end),
    ...markers.map((marker) => marker.end),
  );
  const cuts = new Set([0, answer.length, Math.min(judgedUntil, answer.length)]);
  for (const { start, end } of [...sentences, ...markers]) {
    cuts.add(Math.min(start, answer.length));
    cuts.add(Math.min(end, answer.length));
  }
  const borders = [...cuts].sort((a, b) => a - b);
  const pieces: Piece[] = [];
  const lastOf = new Map<Sentence, Piece>();
  let markerEnd = 0;
  for (let at = 0; at + 1 < borders.length; at += 1) {
    const start = borders[at] as number;
    if (start < markerEnd) continue;
    const marker = markers.find((each) => each.start === start);
    const end = marker ? marker.end : (borders[at + 1] as number);
    if (marker) markerEnd = marker.end;
    const sentence =
      sentences.find((each) => each.start <= start && end <= each.end) ??
      (marker ? sentences.find((each) => each.citations.includes(marker)) : undefined);
    const piece: Piece = {
      text: answer.slice({ start, end }),
      status: start >= judgedUntil ? "pending" : (sentence?.status ?? "neutral"),
      citation: marker ?? null,
      closes: null,
    };
    pieces.push(piece);
    if (sentence) lastOf.set(sentence, piece);
  }
  for (const [{ status, missing = [] }, piece] of lastOf) {
    if (status === "unsupported" || status === "partly") piece.closes = { status, missing };
  }
  return pieces;
}
