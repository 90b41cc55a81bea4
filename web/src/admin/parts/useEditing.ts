import { useEffect, useRef, useState } from "react";
import type { Seen, Spec } from "../types";
import { readKept } from "./kept";

/**
 * Which object of a kind is in a form: its name, "" for a new one, null for none. It is kept by the
 * tab with what is typed; when the form closes, the focus goes to the heading of the list.
 */
export function useEditing(kind: string) {
  const place = `chappe.admin.editing.${kind}`;
  const [editing, setEditing] = useState<string | null>(() => sessionStorage.getItem(place));
  const heading = useRef<HTMLHeadingElement>(null);
  const closed = useRef(false);
  const inForm = useRef(editing);
  const open = (name: string) => {
    sessionStorage.setItem(place, name);
    inForm.current = name;
    setEditing(name);
  };
  const close = () => {
    // What was saved may be shown, and another form opened, before the one that saved it closes.
    if (inForm.current !== editing) return;
    sessionStorage.removeItem(place);
    inForm.current = null;
    closed.current = true;
    setEditing(null);
  };
  useEffect(() => {
    if (editing === null && closed.current) heading.current?.focus();
    closed.current = false;
  }, [editing]);
  return { editing, edit: open, create: () => open(""), close, heading };
}

interface InForm {
  /** The object to change; undefined for a new one, or as long as it isn't known. */
  before: Spec | undefined;
  /** Its version now; null where there is no such object. */
  seen: Seen;
}

/**
 * The object in the form of `useEditing(kind)`: as it is now, or as it was last where somebody has
 * removed it meanwhile, so that what is typed isn't lost. A form of what nothing is left of closes.
 *
 * rows: those that there are now; undefined until they are read. find: whether a row is the one;
 * specOf: what a form changes of it.
 */
export function useInForm<Row extends { etag: string }>(
  kind: string,
  { editing, close }: { editing: string | null; close: () => void },
  rows: readonly Row[] | undefined,
  find: (row: Row) => boolean,
  specOf: (row: Row) => Spec,
): InForm {
  const last = useRef<{ editing: string; spec: Spec } | null>(null);
  const row = editing ? rows?.find(find) : undefined;
  if (editing && row) last.current = { editing, spec: specOf(row) };
  const known = last.current !== null && last.current.editing === editing ? last.current.spec : undefined;
  const before = known ?? (editing ? readKept(`${kind}.${editing}`)?.before : undefined);
  const lost = Boolean(editing) && rows !== undefined && before === undefined;
  useEffect(() => {
    if (lost) close();
  });
  return { before, seen: row ? row.etag : editing && rows === undefined ? undefined : null };
}

/** An object without its version. */
export function withoutEtag({ etag: _etag, ...spec }: Spec): Spec {
  return spec;
}
