import type { Seen, Spec } from "../types";
import type { Typed } from "./fields";

/** What is kept of a form by the tab: what is typed, and which version of which object it changes. */
export interface Kept {
  typed: Typed;
  before?: Spec | undefined;
  seen?: Seen;
}

const place = (name: string) => `chappe.admin.form.${name}`;

export function readKept(name: string): Kept | null {
  const kept = sessionStorage.getItem(place(name));
  return kept === null ? null : (JSON.parse(kept) as Kept);
}

export function keep(name: string, kept: Kept): void {
  sessionStorage.setItem(place(name), JSON.stringify(kept));
}

export function forget(name: string): void {
  sessionStorage.removeItem(place(name));
}
