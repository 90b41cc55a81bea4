import type { Dimension } from "../types";

export type Per = "" | "hour" | "day" | "month";

/** What is asked of the accounts. Days are UTC, the last one included; "" leaves a filter open. */
export interface Chosen {
  from: string;
  to: string;
  by: Dimension;
  per: Per;
  organisation: string;
  model: string;
  key: string;
  endpoint: string;
  outcome: string;
}

export const FILTERS = ["organisation", "model", "key", "endpoint", "outcome"] as const;
export const OUTCOMES = [
  "completed",
  "continued",
  "cancelled",
  "refused",
  "failed",
  "timed_out",
  "interrupted",
] as const;

const dayOf = (moment: Date) => moment.toISOString().slice(0, 10);

/** The month that `now` is in, by model and day. */
export function thisMonth(now: Date): Chosen {
  const open = { organisation: "", model: "", key: "", endpoint: "", outcome: "" };
  return { from: `${dayOf(now).slice(0, 7)}-01`, to: dayOf(now), by: "model", per: "day", ...open };
}

/** The first moment after a day; the server leaves the end of a range out. */
export function dayAfter(day: string): string {
  const moment = new Date(`${day}T00:00:00Z`);
  moment.setUTCDate(moment.getUTCDate() + 1);
  return moment.toISOString();
}

function range(chosen: Chosen): URLSearchParams {
  const parameters = new URLSearchParams();
  if (chosen.from) parameters.set("from", `${chosen.from}T00:00:00Z`);
  if (chosen.to) parameters.set("to", dayAfter(chosen.to));
  return parameters;
}

/** The address, under /api/admin, of what is asked. */
export function usageQuery(chosen: Chosen): string {
  const parameters = range(chosen);
  parameters.set("by", chosen.by);
  if (chosen.per) parameters.set("per", chosen.per);
  for (const name of FILTERS) if (chosen[name]) parameters.set(name, chosen[name]);
  return `usage?${parameters}`;
}

/** The address that tells which values of a filter were used in the same days. */
export function valuesQuery(chosen: Chosen, filter: (typeof FILTERS)[number]): string {
  const parameters = range(chosen);
  parameters.set("by", filter);
  return `usage?${parameters}`;
}
