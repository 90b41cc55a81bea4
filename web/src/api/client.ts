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

interface Call {
  method?: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  body?: unknown;
  /** The version (`etag`) that was seen of what is changed; null: there was none. */
  seen?: string | null | undefined;
  signal?: AbortSignal | undefined;
}

function condition(seen: string | null | undefined): Record<string, string> {
  if (seen === null) return { "If-None-Match": "*" };
  return seen === undefined ? {} : { "If-Match": seen };
}

/** Calls the server. Throws `RequestFailed` when it refuses or can't be reached. */
export async function call(path: string, language: string, options: Call = {}): Promise<Response> {
  const { method = "GET", body, seen, signal } = options;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...headers(language),
        ...condition(seen),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestFailed({ kind: "network" });
  }
  if (!response.ok) throw new RequestFailed(await failureOf(response));
  return response;
}

/** As `call`, for an answer in JSON. */
export async function callJson<T>(path: string, language: string, options: Call = {}): Promise<T> {
  const response = await call(path, language, options);
  return (await response.json()) as T;
}

export function fetchStatus(language: string, signal?: AbortSignal): Promise<Status> {
  return callJson<Status>("/api/status", language, { signal });
}

/** A document as it is now, or one of its versions. */
export function fetchDocument(
  id: string,
  language: string,
  signal?: AbortSignal,
  version: number | null = null,
): Promise<SourceDocument> {
  const query = version === null ? "" : `?version=${version}`;
  return callJson<SourceDocument>(`/api/documents/${encodeURIComponent(id)}${query}`, language, {
    signal,
  });
}
