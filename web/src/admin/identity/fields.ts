import { LEVELS } from "../catalogue/fields";
import type { Field } from "../parts/fields";

const USER_SCOPES = ["search", "ask", "models"];

/** Nobody gives more than they have: a key with `manage` makes none with `operate`. */
export function keyFields(organisations: readonly string[], operator: boolean): Field[] {
  return [
    { name: "name", kind: "text", required: true },
    ...(operator
      ? [{ name: "organisation", kind: "choice" as const, options: organisations }]
      : []),
    { name: "person", kind: "text", optional: true },
    { name: "days", kind: "number", optional: true },
    {
      name: "scopes",
      kind: "set",
      required: true,
      options: [...USER_SCOPES, "manage", ...(operator ? ["operate"] : [])],
    },
    { name: "level", kind: "choice", options: LEVELS },
  ];
}

export const NEW_KEY = { scopes: USER_SCOPES, level: "open", organisation: "default" };

/** Somebody new, of one of these organisations; with groups, somebody known whose groups change. */
export function personFields(organisations: readonly string[], groups?: readonly string[]): Field[] {
  if (groups) return [{ name: "groups", kind: "set", options: groups }];
  return [{ name: "name", kind: "text", required: true }, ...owner(organisations)];
}

/** A group; with models, those that it may be granted. */
export function groupFields(
  organisations: readonly string[],
  models: readonly string[] | null = null,
): Field[] {
  return [
    { name: "group", kind: "text", required: true },
    { name: "name", kind: "text" },
    ...owner(organisations),
    ...(models ? [{ name: "models", kind: "set" as const, options: models }] : []),
  ];
}

/** Without organisations to choose from, it is that of who asks. */
function owner(organisations: readonly string[]): Field[] {
  return organisations.length ? [{ name: "organisation", kind: "choice", options: organisations }] : [];
}
