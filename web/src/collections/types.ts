/** Shapes of the collections and their documents in the HTTP interface. */

export type Role = "reader" | "editor" | "owner" | "administrator";

export interface Collection {
  slug: string;
  title: string;
  description: string;
  language: string;
  /** Sensitivity: 0 open, 1 internal, 2 restricted. */
  level: number;
  public: boolean;
  retention_days: number | null;
  documents: number;
  passages: number;
  /** What the reader may do with it. */
  role: Role;
}

export type DocumentState =
  | "received"
  | "reading"
  | "indexing"
  | "ready"
  | "partly_read"
  | "failed"
  | "to_be_deleted";

/** What could not be read, or is to be known of it, in the reader's language. */
export interface Issue {
  code: string;
  page: number | null;
  message: string;
  loss: boolean;
}

export interface CollectedDocument {
  id: string;
  name: string;
  title: string | null;
  state: DocumentState;
  /** Why it failed, in the reader's language. */
  reason: string | null;
  issues: Issue[];
  version: number;
  size: number | null;
  updated_at: string;
}

export interface DocumentList {
  documents: CollectedDocument[];
  /** By state. */
  counts: Partial<Record<DocumentState, number>>;
  /** What to ask for next; null at the end. */
  next: string | null;
}

export interface DocumentVersion {
  number: number;
  created_at: string;
}

/** To whom a collection is shared. */
export interface Grant {
  kind: "person" | "group" | "organisation";
  id: string;
  name: string;
  role: "reader" | "editor";
}

/** What a load brought. */
export interface LoadReport {
  state: "running" | "done" | "failed" | "cancelled";
  added: number;
  changed: number;
  unchanged: number;
  removed: number;
  failed: number;
  started_at: string;
  finished_at: string | null;
  detail: Record<string, unknown>;
}

/** What keeps a collection in line by itself. */
export interface Source {
  id: number;
  name: string;
  spec: { kind: string };
  next_run_at: string | null;
  /** Its newest run. */
  last: LoadReport | null;
}
