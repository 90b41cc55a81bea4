/** Shapes of the administration interface (`/api/admin`). Moments are ISO 8601. */

export interface Probe {
  well: boolean;
  detail: string;
  ms: number;
  age_seconds: number;
}

export interface LiveEndpoint {
  id: string;
  name: string;
  site: string;
  health: "healthy" | "ejected" | "trial" | "drained";
  in_flight: number;
  /** Requests of the other replicas there. */
  elsewhere: number;
  limit: number;
  kv_usage: number | null;
  /** Null until it was measured. */
  inter_token_ms: number | null;
  probe: Probe | null;
}

export interface Queue {
  model: string;
  waiting: number;
  limit: number;
  refused: number;
  /** Tokens of work done in a second, as the queue estimates its waits with; null until measured. */
  rate: number | null;
  endpoints: LiveEndpoint[];
}

export interface Live {
  replica: string;
  replicas: number;
  database: "ready" | "away";
  accounts: { under_way: number; waiting: number; lag_seconds: number; set_aside: number };
  queues: Queue[];
  refusals: { model: string; code: string; count: number }[];
}

/** A model, an endpoint, an organisation or a limit as it is described to the server. */
export type Spec = Record<string, unknown>;

/** The version (`etag`) that was seen of an object; null: there was none; undefined: not known. */
export type Seen = string | null | undefined;

export interface ModelSpec extends Spec {
  etag: string;
  name: string;
  kind: string;
  aliases: string[];
  status: "active" | "deprecated" | "retired";
  replacement: string | null;
  context: number;
  public: boolean;
  grants: string[];
}

export interface EndpointSpec extends Spec {
  name: string;
  url: string;
  engine: string;
  site: string;
  clearance: "open" | "internal" | "restricted";
  capacity: number | null;
  drained: boolean;
  serves: Record<string, string>;
}

export interface EndpointView {
  endpoint: EndpointSpec;
  has_secret: boolean;
  etag: string;
}

export interface Proposal {
  endpoint: string;
  upstream_name: string;
  first_seen: string;
  last_seen: string;
}

export interface Change {
  act: "create" | "update" | "remove";
  kind: "organisation" | "model" | "endpoint" | "limit";
  name: string;
  fields: Record<string, [unknown, unknown]>;
}

export interface OrganisationSpec extends Spec {
  etag: string;
  slug: string;
  name: string;
  siret: string | null;
  weight: number;
}

/** Who asks. */
export interface Me {
  name: string;
  organisation: string;
  scopes: string[];
}

/** A key, without its secret. */
export interface Key {
  id: string;
  etag: string;
  name: string;
  prefix: string;
  scopes: string[];
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
  organisation: string;
  person: string | null;
  level: number;
}

export interface Person {
  id: string;
  organisation: string;
  name: string;
  created_at: string;
  /** Their identifiers. */
  groups: string[];
  etag: string;
}

export interface Group {
  id: string;
  organisation: string;
  slug: string;
  name: string;
  /** Their names. */
  members: string[];
  etag: string;
}

export type Measure = "requests" | "tokens" | "concurrency" | "audio_seconds" | "energy_wh";

export interface Limit extends Spec {
  id: string;
  etag: string;
  subject: string;
  model: string | null;
  measure: Measure;
  period: "minute" | "day" | "month" | null;
  amount: number;
  action: "warn" | "slow" | "refuse";
  /** Share of the amount from which answers carry a warning. */
  warn_at: number;
  /** Spent or reserved in the present period; a few seconds old at most. */
  used: number;
  /** Used, or in the hands of a process. */
  held: number;
  remaining: number;
  /** End of the present period; null for what counts at once. */
  resets_at: string | null;
}

export type Dimension = "organisation" | "key" | "person" | "model" | "endpoint" | "site" | "outcome";

export interface UsageLine {
  period: string | null;
  groups: Record<string, string | null>;
  names: Record<string, string>;
  requests: number;
  tokens_in: number;
  tokens_cached: number;
  tokens_out: number;
  audio_seconds: number;
  energy_wh: number;
  amount: string | number;
  transfer: string | number;
  unpriced: number;
}

export interface UsageReport {
  begin: string;
  end: string;
  lines: UsageLine[];
}

export interface StatementLine {
  model: string;
  site: string;
  requests: number;
  tokens_in: number;
  tokens_cached: number;
  tokens_out: number;
  priced: boolean;
  amount: string | number;
  transfer: string | number;
}

export interface Statement extends Omit<StatementLine, "model" | "site" | "priced"> {
  organisation: string;
  month: string;
  over: boolean;
  verified: boolean | null;
  lines: StatementLine[];
}

export interface AuditEntry {
  sequence: number;
  at: string;
  actor: string;
  action: string;
  object: string;
  outcome: "done" | "refused";
  detail: Record<string, unknown>;
  hash: string;
}

export interface Verdict {
  entries: number;
  holds: boolean;
  broken_at: number | null;
  reason: string;
  last: string;
}
