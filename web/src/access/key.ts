const NAME = "chappe.key";

/** The API key given in this tab, or null. It leaves with the tab. */
export function readKey(): string | null {
  return sessionStorage.getItem(NAME);
}

export function writeKey(key: string): void {
  sessionStorage.setItem(NAME, key);
}

export function forgetKey(): void {
  sessionStorage.removeItem(NAME);
}
