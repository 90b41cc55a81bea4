/** A value of a plan; ∅ where there is none. */
export function shownValue(value: unknown): string {
  return value === null || value === undefined ? "∅" : JSON.stringify(value);
}
