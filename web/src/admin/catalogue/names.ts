import type { ModelSpec } from "../types";

/** The names and aliases by which models can be led to. */
export function namesOf(models: readonly ModelSpec[]): string[] {
  return models.flatMap((model) => [model.name, ...model.aliases]);
}
