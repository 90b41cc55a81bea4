/** A calendar date (ISO, without time) in the reader's words, for example « 21 juillet 2020 ». */
export function formatDate(iso: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" }).format(
    new Date(`${iso.slice(0, 10)}T00:00:00Z`),
  );
}

export function formatNumber(value: number, language: string, decimals?: number): string {
  return new Intl.NumberFormat(
    language,
    decimals === undefined ? {} : { maximumFractionDigits: decimals },
  ).format(value);
}

/** A moment in the reader's words and time zone. */
export function formatMoment(iso: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "medium" }).format(
    new Date(iso),
  );
}

/** Euros; what is under a cent is not told as nothing. */
export function formatEuros(value: number, language: string): string {
  return new Intl.NumberFormat(language, {
    style: "currency",
    currency: "EUR",
    ...(Math.abs(value) < 0.01 ? { maximumSignificantDigits: 2 } : {}),
  }).format(value);
}
