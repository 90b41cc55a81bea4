import type { Spec } from "../types";

/**
 * One field of a form that describes an object of the catalogue.
 *
 * list: values separated by commas or lines; set: some of the options; pairs: `name = value` by line; json: as it is;
 * optional: empty means none.
 */
export interface Field {
  name: string;
  kind: "text" | "secret" | "number" | "flag" | "choice" | "list" | "set" | "pairs" | "json";
  options?: readonly string[];
  /** Values that are proposed while typing. */
  suggestions?: readonly string[];
  required?: boolean;
  optional?: boolean;
  /** Names the object: it can't be changed afterwards. */
  identity?: boolean;
  /** Seldom needed: folded away. */
  more?: boolean;
}

/** What is typed, by field; flags are "true" or "". */
export type Typed = Record<string, string>;
export type FieldError = "required" | "number" | "pairs" | "json";

const pairsText = (value: unknown) =>
  Object.entries((value ?? {}) as Record<string, string>)
    .map(([name, each]) => `${name} = ${each}`)
    .join("\n");

/** An object as a form shows it. */
export function typedOf(fields: readonly Field[], spec: Spec): Typed {
  const shown = (field: Field) => {
    const value = spec[field.name];
    switch (field.kind) {
      case "flag":
        return value ? "true" : "";
      case "list":
      case "set":
        return ((value as string[] | undefined) ?? []).join(", ");
      case "pairs":
        return pairsText(value);
      case "json":
        return value && Object.keys(value).length > 0 ? JSON.stringify(value, null, 2) : "";
      default:
        return value === null || value === undefined ? "" : String(value);
    }
  };
  return Object.fromEntries(fields.map((field) => [field.name, shown(field)]));
}

function valueOf(field: Field, text: string): unknown {
  const trimmed = text.trim();
  switch (field.kind) {
    case "flag":
      return text === "true";
    case "number":
      return Number(trimmed.replace(",", ".").replace(/[\s\u00a0\u202f]/g, ""));
    case "list":
    case "set":
      return trimmed.split(/[,\n]/).flatMap((each) => each.trim() || []);
    case "pairs":
      return Object.fromEntries(
        trimmed.split("\n").flatMap((line) => {
          const at = line.indexOf("=");
          return line.trim() ? [[line.slice(0, at).trim(), line.slice(at + 1).trim()]] : [];
        }),
      );
    case "json":
      return trimmed === "" ? {} : JSON.parse(trimmed);
    default:
      return trimmed;
  }
}

function errorOf(field: Field, text: string): FieldError | null {
  const trimmed = text.trim();
  if (trimmed === "") return field.required ? "required" : null;
  if (field.kind === "number" && !Number.isFinite(valueOf(field, text))) return "number";
  if (field.kind === "pairs" && trimmed.split("\n").some((line) => line.trim() && !/.=./.test(line))) {
    return "pairs";
  }
  if (field.kind === "json") {
    try {
      const value: unknown = JSON.parse(trimmed);
      return typeof value === "object" && value !== null && !Array.isArray(value) ? null : "json";
    } catch {
      return "json";
    }
  }
  return null;
}

/** What is wrong with what is typed, by field. */
export function errorsOf(fields: readonly Field[], typed: Typed): Record<string, FieldError> {
  return Object.fromEntries(
    fields.flatMap((field) => {
      const error = errorOf(field, typed[field.name] ?? "");
      return error ? [[field.name, error]] : [];
    }),
  );
}

/**
 * The object that was typed, without errors, over the one that it changes.
 *
 * An empty optional field is none, an empty secret is left out (the server keeps the one it has),
 * and another empty text or number is left to the server's own value.
 */
export function specOf(fields: readonly Field[], typed: Typed, before: Spec = {}): Spec {
  const spec: Spec = { ...before };
  for (const field of fields) {
    const text = typed[field.name] ?? "";
    const empty = text.trim() === "" && ["text", "number", "choice", "secret"].includes(field.kind);
    if (!empty) spec[field.name] = valueOf(field, text);
    else if (field.optional) spec[field.name] = null;
    else delete spec[field.name];
  }
  return spec;
}
