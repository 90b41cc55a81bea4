/** Shapes of the HTTP interface. All offsets are half-open and count Unicode code points. */

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
}

export type BlockKind = "heading" | "paragraph" | "item" | "case" | "row" | "note";

export interface Block extends Span {
  kind: BlockKind;
  level: number;
}

export interface SourceDocument extends DocumentSummary {
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
  passage_id: number | null;
  /** Where the support stands in the document's text. */
  span: Span | null;
  quote: string | null;
}

export type SentenceStatus = "supported" | "unsupported" | "neutral";

export interface Sentence extends Span {
  index: number;
  status: SentenceStatus;
  citations: Citation[];
}

export interface Extract extends Span {
  number: number;
  document: DocumentSummary;
  passage: Passage;
  text: string;
}

export interface Extracts {
  reason: "unsupported" | "no_model" | "engine_error";
  extracts: Extract[];
}

export interface Done {
  status: "supported" | "partly_supported" | "unsupported" | "no_sources" | "truncated";
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
  | { type: "sources"; data: { sources: Source[] } }
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

export interface Collection {
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
  collections: Collection[];
  loads: Load[];
}
