import type { Per } from "./query";

/** A period as a person reads it; hours and days are UTC. */
export function periodText(iso: string, per: Per, language: string): string {
  const shape: Intl.DateTimeFormatOptions =
    per === "month"
      ? { year: "numeric", month: "long" }
      : per === "hour"
        ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
        : { day: "numeric", month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(language, { ...shape, timeZone: "UTC" }).format(new Date(iso));
}
