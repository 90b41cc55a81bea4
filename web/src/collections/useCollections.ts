import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { callJson } from "../api/client";
import type { Collection, DocumentList, DocumentVersion } from "./types";

/** Under this all readings of collections are kept; an action makes them be read again. */
export const COLLECTIONS = "collections";

const UNDER_WAY_MS = 2_000;
const AT_REST_MS = 30_000;

const UNDER_WAY = ["received", "reading", "indexing", "to_be_deleted"] as const;

/** Whether documents are still on their way to being found. */
export function underWay(counts: DocumentList["counts"]): boolean {
  return UNDER_WAY.some((state) => (counts[state] ?? 0) > 0);
}

/** The collections that the reader may read. */
export function useCollections() {
  const { i18n } = useTranslation();
  return useQuery({
    queryKey: [COLLECTIONS, i18n.language],
    queryFn: ({ signal }) => callJson<Collection[]>("/api/collections", i18n.language, { signal }),
    networkMode: "always",
    retry: false,
  });
}

/** A page of a collection's documents, read again while some are on their way. */
export function useDocuments(slug: string, filter: { state: string; q: string; after: string | null }) {
  const { i18n } = useTranslation();
  const query = new URLSearchParams({ limit: "50" });
  if (filter.state) query.set("state", filter.state);
  if (filter.q) query.set("q", filter.q);
  if (filter.after) query.set("after", filter.after);
  return useQuery({
    queryKey: [COLLECTIONS, slug, "documents", query.toString(), i18n.language],
    queryFn: ({ signal }) =>
      callJson<DocumentList>(
        `/api/collections/${encodeURIComponent(slug)}/documents?${query}`,
        i18n.language,
        { signal },
      ),
    refetchInterval: ({ state }) =>
      state.data && underWay(state.data.counts) ? UNDER_WAY_MS : AT_REST_MS,
    placeholderData: keepPreviousData,
    networkMode: "always",
    retry: false,
  });
}


/** The versions of a document, newest first. */
export function useVersions(documentId: string) {
  const { i18n } = useTranslation();
  return useQuery({
    queryKey: [COLLECTIONS, "versions", documentId, i18n.language],
    queryFn: ({ signal }) =>
      callJson<DocumentVersion[]>(
        `/api/documents/${encodeURIComponent(documentId)}/versions`,
        i18n.language,
        { signal },
      ),
    networkMode: "always",
    retry: false,
  });
}

/** What `/api/collections/SLUG/PATH` gives; read again after `everyMs`, where that isn't false. */
export function useOfCollection<T>(
  slug: string,
  path: string,
  everyMs: (data: T | undefined) => number | false = () => false,
) {
  const { i18n } = useTranslation();
  return useQuery({
    queryKey: [COLLECTIONS, slug, path, i18n.language],
    queryFn: ({ signal }) =>
      callJson<T>(`/api/collections/${encodeURIComponent(slug)}/${path}`, i18n.language, { signal }),
    refetchInterval: ({ state }) => everyMs(state.data),
    networkMode: "always",
    retry: false,
  });
}
