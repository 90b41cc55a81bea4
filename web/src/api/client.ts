import { readKey } from "../access/key";
import { RequestFailed, failureOf } from "./failure";
import type { SourceDocument, Status } from "./types";

/** Headers of every call: the reader's language, and the key when one was given. */
export function headers(language: string): Record<string, string> {
  const key = readKey();
  return {
    "Accept-Language": language,
    ...(key ? { Authorization: `Bearer ${key}` } : {}),
  };
}

async function getJson<T>(path: string, language: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { headers: headers(language), ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestFailed({ kind: "network" });
  }
  if (!response.ok) throw new RequestFailed(await failureOf(response));
  return (await response.json()) as T;
}

export function fetchStatus(language: string, signal?: AbortSignal): Promise<Status> {
  return getJson<Status>("/api/status", language, signal);
}

export function fetchDocument(
  id: string,
  language: string,
  signal?: AbortSignal,
): Promise<SourceDocument> {
  return getJson<SourceDocument>(`/api/documents/${encodeURIComponent(id)}`, language, signal);
}
