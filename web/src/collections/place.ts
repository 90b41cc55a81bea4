/** A place among the collections: their list, one of them, or one of its documents. */
export interface CollectionPlace {
  slug: string | null;
  documentId: string | null;
}

/** The place that an address such as `#/collections/rh/ID` names; null elsewhere. */
export function collectionPlace(hash: string): CollectionPlace | null {
  const [start, slug, documentId] = hash.replace(/^#\//, "").split("/");
  if (start !== "collections") return null;
  return {
    slug: slug ? decodeURIComponent(slug) : null,
    documentId: documentId ? decodeURIComponent(documentId) : null,
  };
}

export function addressOf(slug?: string, documentId?: string): string {
  return ["#/collections", slug, documentId]
    .filter((part) => part !== undefined)
    .map((part, index) => (index === 0 ? part : encodeURIComponent(part)))
    .join("/");
}
