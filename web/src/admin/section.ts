/** The sections of the administration; a key with `manage` alone sees the last four. */
export const SECTIONS = ["live", "catalogue", "identity", "limits", "usage", "audit"] as const;
export type Section = (typeof SECTIONS)[number];

export const MANAGED: readonly Section[] = ["identity", "limits", "usage", "audit"];

/** The section that an address such as `#/admin/limits` names; null outside the administration. */
export function adminSection(hash: string): Section | null {
  const [start, name] = hash.replace(/^#\//, "").split("/");
  if (start !== "admin") return null;
  return SECTIONS.find((each) => each === name) ?? "live";
}
