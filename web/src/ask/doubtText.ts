import type { TFunction } from "i18next";
import type { Doubt } from "./pieces";

/** In words, that a sentence isn't supported by its sources, or what of it isn't. */
export function doubtText({ status, missing }: Doubt, t: TFunction): string {
  if (status === "unsupported") return t("answer.unsupportedSentence");
  if (missing.length === 0) return t("answer.partlySentence");
  return t("answer.partlyMissing", { missing: missing.join(", ") });
}
