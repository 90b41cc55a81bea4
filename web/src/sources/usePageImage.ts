import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { call, callJson } from "../api/client";
import type { Box, Span } from "../api/types";

/** Where a document's pages are: the document and its version. */
export interface Place {
  documentId: string;
  version: number;
}

const path = ({ documentId }: Place) => `/api/documents/${encodeURIComponent(documentId)}`;

/**
 * A page drawn as it was laid out, as an address that an image can show.
 *
 * The image is fetched with the reader's key: an address in the page alone could not carry it.
 */
export function usePageImage(place: Place, page: number, width: number) {
  const { i18n } = useTranslation();
  const query = useQuery({
    queryKey: ["page-image", place.documentId, place.version, page, width],
    queryFn: async ({ signal }) => {
      const response = await call(
        `${path(place)}/pages/${page}.png?version=${place.version}&width=${width}`,
        i18n.language,
        { signal },
      );
      return response.blob();
    },
    staleTime: Infinity,
    gcTime: 60_000,
    networkMode: "always",
    retry: false,
  });
  const [address, setAddress] = useState<string | null>(null);
  useEffect(() => {
    if (!query.data) {
      setAddress(null);
      return;
    }
    const made = URL.createObjectURL(query.data);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [query.data]);
  return { address, error: query.error, refetch: query.refetch };
}

/** Where a span of a document's text is drawn on its pages. */
export function useBoxes(place: Place, span: Span | null) {
  const { i18n } = useTranslation();
  return useQuery({
    queryKey: ["boxes", place.documentId, place.version, span?.start, span?.end],
    queryFn: ({ signal }) =>
      callJson<Box[]>(
        `${path(place)}/boxes?version=${place.version}&start=${span!.start}&end=${span!.end}`,
        i18n.language,
        { signal },
      ),
    enabled: span !== null,
    staleTime: Infinity,
    networkMode: "always",
    retry: false,
  });
}
