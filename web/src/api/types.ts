/** Shapes of the HTTP interface. All offsets are half-open and count Unicode code points. */

import type { DocumentState, Issue } from "../collections/types";

export interface Span {
  start: number;
  end: number;
}

export interface DocumentSummary {
  id: string;
  external_id: string;
  title: string;
  url: string;
  /** ISO date of the last change of a sheet, or of the start of an article's version. */
  date: string | null;
  collection: string;
  kind: string;
  theme_path: string[];
  stale: boolean;
}

export interface Passage extends Span {
  id: number;
  text: string;
  heading_path: string[];
}

export interface Source {
  number: number;
  document: DocumentSummary;
  passage: Passage;
  version: VersionRef;
  /** The page where the passage begins, where the document has pages. */
  page: number | null;
}

/** A version of a document; of law, the days between which it is in force. */
export interface VersionRef {
  number: number;
  valid_from: string | null;
  valid_to: string | null;
}

export type BlockKind = "heading" | "paragraph" | "item" | "case" | "row" | "note";

export interface Block extends Span {
  kind: BlockKind;
  level: number;
  /** Of a row, where its cells stand; none where the source gives the line alone. */
  cells?: [number, number][];
}

/** A page, slide or sheet: `start` to `end` is the part of the text that it holds. */
export interface DocumentPage extends Span {
  number: number;
  /** Points; 0 where the format has no pages of a size. */
  width: number;
  height: number;
  text: "text" | "ocr" | "mixed" | "empty";
  /** Of the recognition of characters, 0 to 1. */
  confidence: number | null;
}

/** Where a run of text is drawn: points from the page's top left corner. */
export interface Box extends Span {
  page: number;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface SourceDocument extends DocumentSummary {
  /** The file's name. */
  name: string;
  state: DocumentState;
  reason: string | null;
  issues: Issue[];
  version: number;
  superseded: boolean;
  /** Whether the original can be downloaded, and whether its pages can be drawn. */
  original: boolean;
  drawable: boolean;
  pages: DocumentPage[];
  audience: string | null;
  text: string;
  blocks: Block[];
  metadata: Record<string, unknown>;
}

export type CitationReason =
  | "unknown_source"
  | "quote_not_found"
  | "found_elsewhere"
  | "not_supported"
  | "number_mismatch"
  | "negation_mismatch";

export interface Citation extends Span {
  number: number;
  status: "checked" | "failed";
  reason: CitationReason | null;
  found_in: number | null;
  document_id: string | null;
  version: number | null;
  passage_id: number | null;
  /** Where the support stands in the document's text. */
  span: Span | null;
  quote: string | null;
}

export type SentenceStatus = "supported" | "partly" | "unsupported" | "neutral";

export interface Sentence extends Span {
  index: number;
  status: SentenceStatus;
  /** Of a sentence that is partly supported, the words that its sources don't say. */
  missing?: string[];
  citations: Citation[];
}

export interface Extract extends Span {
  number: number;
  document: DocumentSummary;
  passage: Passage;
  version: number;
  page: number | null;
  text: string;
}

export interface Extracts {
  reason: "unsupported" | "no_model" | "engine_error";
  extracts: Extract[];
}

/** What was searched for a question: it, made whole where it followed on from another. */
export interface Searched {
  question: string;
  /** Whether something was taken over from the questions before. */
  follows: boolean;
  /** The day whose law is asked. */
  date: string;
  date_origin: "request" | "question" | "today";
}

/** A case of a document, which the reader may say to be theirs. */
export interface Choice {
  document: string;
  path: string[];
  label: string;
}

export interface Clarification {
  question: string;
  choices: Choice[];
}

/** Words of a document that read like an order to a model. */
export interface Warning extends Span {
  code: string;
  number: number;
  document_id: string;
  version: number;
  quote: string;
}

export interface Done {
  status:
    | "supported"
    | "partly_supported"
    | "unsupported"
    | "no_sources"
    | "no_answer"
    | "truncated";
  truncated: boolean;
  model: string | null;
  request_id: string;
  duration_ms: number;
}

/** RFC 9457 problem. */
export interface Problem {
  title: string;
  status: number;
  detail: string | null;
  code: string | null;
  request_id: string | null;
}

export type AskEvent =
  | { type: "search"; data: Searched }
  | { type: "sources"; data: { sources: Source[] } }
  | { type: "warning"; data: Warning }
  | { type: "clarification"; data: Clarification }
  | { type: "no_answer"; data: { closest: DocumentSummary[] } }
  | { type: "token"; data: { text: string } }
  | { type: "sentence"; data: Sentence }
  | { type: "extracts"; data: Extracts }
  | { type: "done"; data: Done }
  | { type: "error"; data: Problem };

export type LoadState = "queued" | "downloading" | "running" | "succeeded" | "failed";

export interface Load {
  source: string;
  title: string;
  state: LoadState;
  done: number;
  total: number;
  message: string | null;
  error: string | null;
  priority_done: boolean;
}

export interface CollectionSize {
  slug: string;
  title: string;
  documents: number;
  passages: number;
}

export interface Status {
  version: string;
  ready: boolean;
  anonymous: boolean;
  /** The chat model; null where the installation has none. */
  model: {
    id: string;
    state: "ready" | "starting" | "failed";
    weak: boolean;
    detail: string | null;
  } | null;
  encoder: { id: string; state: string } | null;
  collections: CollectionSize[];
  loads: Load[];
}
