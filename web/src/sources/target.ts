import type { CitationReason, Span } from "../api/types";

/** A place in a document that the reader asked to see. */
export interface SourceTarget {
  documentId: string;
  /** The version that was cited; null: the present one. */
  version: number | null;
  span: Span | null;
  /** Why the citation that led here could not be checked, if so. */
  doubt: CitationReason | null;
}

export type OpenSource = (target: SourceTarget) => void;
