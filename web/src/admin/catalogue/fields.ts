import type { Field } from "../parts/fields";

export const LEVELS = ["open", "internal", "restricted"] as const;

export function modelFields(models: readonly string[], subjects: readonly string[]): Field[] {
  const more = true;
  return [
    { name: "name", kind: "text", required: true, identity: true },
    { name: "kind", kind: "choice", options: ["chat", "embedding", "rerank", "transcription"] },
    { name: "aliases", kind: "list" },
    { name: "description", kind: "text" },
    { name: "status", kind: "choice", options: ["active", "deprecated", "retired"] },
    { name: "replacement", kind: "text", optional: true, suggestions: models },
    { name: "public", kind: "flag" },
    { name: "grants", kind: "list", suggestions: subjects },
    { name: "context", kind: "number", more },
    { name: "max_output_tokens", kind: "number", more },
    { name: "modalities", kind: "list", more },
    { name: "fallbacks", kind: "list", more },
    { name: "licence", kind: "text", optional: true, more },
    { name: "parameters_total", kind: "number", optional: true, more },
    { name: "parameters_active", kind: "number", optional: true, more },
    { name: "default_sampling", kind: "json", more },
    { name: "queue_limit", kind: "number", more },
    { name: "ttft_objective_ms", kind: "number", more },
    { name: "itl_objective_ms", kind: "number", more },
    { name: "price_in", kind: "number", more },
    { name: "price_out", kind: "number", more },
    { name: "price_audio_hour", kind: "number", more },
    { name: "transfer_in", kind: "number", more },
    { name: "transfer_out", kind: "number", more },
  ];
}

export const NEW_MODEL = { kind: "chat", status: "active", public: true, modalities: ["text"] };

export const ENDPOINT_FIELDS: readonly Field[] = [
  { name: "name", kind: "text", required: true, identity: true },
  { name: "url", kind: "text", required: true },
  {
    name: "engine",
    kind: "choice",
    options: ["openai", "vllm", "sglang", "llamacpp", "tei", "ollama"],
  },
  { name: "secret", kind: "secret" },
  { name: "clearance", kind: "choice", options: LEVELS },
  { name: "serves", kind: "pairs" },
  { name: "site", kind: "text", more: true },
  { name: "labels", kind: "pairs", more: true },
  { name: "capacity", kind: "number", optional: true, more: true },
  { name: "drained", kind: "flag", more: true },
];

export const NEW_ENDPOINT = { engine: "openai", clearance: "open", site: "local" };
