import type { Field } from "../admin/parts/fields";

export const SOURCE_KINDS = ["web", "webdav", "folder", "s3", "official"] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

const every: Field = { name: "every_hours", kind: "number", optional: true };
const address: Field = { name: "web_address", kind: "text", required: true };
const password: Field = { name: "source_secret", kind: "secret" };

/** What a form asks of a source, by its kind. */
export const SOURCE_FIELDS: Record<SourceKind, readonly Field[]> = {
  web: [
    address,
    every,
    { name: "depth", kind: "number", more: true },
    { name: "pages", kind: "number", more: true },
  ],
  webdav: [address, { name: "user", kind: "text" }, password, every],
  folder: [{ name: "path", kind: "text", required: true }, every],
  s3: [
    { name: "bucket", kind: "text", required: true },
    { name: "prefix", kind: "text" },
    { name: "s3_endpoint", kind: "text" },
    { name: "region", kind: "text", more: true },
    { name: "access_key_id", kind: "text" },
    password,
    every,
  ],
  official: [{ name: "corpus", kind: "text", required: true }, every],
};

const SERVER_NAMES: Record<string, string> = {
  web_address: "url",
  s3_endpoint: "endpoint",
  corpus: "name",
};
const HOUR = 3600;

/** A source as the server takes it, from what was typed. */
export function sourceOf(kind: SourceKind, typed: Record<string, unknown>): unknown {
  const { every_hours, source_secret, ...rest } = typed;
  const named = Object.entries(rest).map(([name, value]) => [SERVER_NAMES[name] ?? name, value]);
  return {
    spec: { kind, ...Object.fromEntries(named) },
    ...(source_secret ? { secret: source_secret } : {}),
    every_seconds: every_hours ? Math.round(Number(every_hours) * HOUR) : null,
  };
}
