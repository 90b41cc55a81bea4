import type { Field } from "../parts/fields";

/** What tells a limit from another is its subject, model, measure and period. */
export function limitFields(models: readonly string[], subjects: readonly string[]): Field[] {
  const identity = true;
  return [
    {
      name: "subject",
      kind: "text",
      required: true,
      identity,
      suggestions: ["installation", "model", ...subjects],
    },
    { name: "model", kind: "text", optional: true, identity, suggestions: models },
    {
      name: "measure",
      kind: "choice",
      identity,
      options: ["requests", "tokens", "concurrency", "audio_seconds", "energy_wh"],
    },
    { name: "period", kind: "choice", optional: true, identity, options: ["minute", "day", "month"] },
    { name: "amount", kind: "number", required: true },
    { name: "action", kind: "choice", options: ["refuse", "slow", "warn"] },
    { name: "input_weight", kind: "number", more: true },
    { name: "output_weight", kind: "number", more: true },
    { name: "warn_at", kind: "number", more: true },
  ];
}

export const NEW_LIMIT = {
  subject: "installation",
  measure: "tokens",
  period: "day",
  action: "refuse",
};
