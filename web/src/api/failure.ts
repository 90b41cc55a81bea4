import type { Problem } from "./types";

/**
 * Why a request did not give what was asked.
 *
 * network: the server could not be reached; cut: the connection ended before the answer did;
 * problem: the server said what is wrong.
 */
export type Failure =
  | { kind: "network" }
  | { kind: "cut" }
  | { kind: "problem"; problem: Problem };

/** An error that carries a `Failure`, for the code paths that throw. */
export class RequestFailed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind === "problem" ? failure.problem.title : failure.kind);
    this.name = "RequestFailed";
  }
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

/** Reads a problem from a decoded body; absent members get neutral values. */
export function readProblem(body: unknown, status: number): Problem {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  return {
    title: textOr(fields["title"], ""),
    status: typeof fields["status"] === "number" ? fields["status"] : status,
    detail: textOr(fields["detail"], null),
    code: textOr(fields["code"], null),
    request_id: textOr(fields["request_id"], null),
  };
}

/** The failure told by a response whose status is not a success. */
export async function failureOf(response: Response): Promise<Failure> {
  const body: unknown = await response.json().catch(() => null);
  return { kind: "problem", problem: readProblem(body, response.status) };
}

export function isUnauthorised(failure: Failure): boolean {
  return failure.kind === "problem" && failure.problem.status === 401;
}

/** The failure carried by anything thrown by this folder's functions. */
export function asFailure(error: unknown): Failure {
  return error instanceof RequestFailed ? error.failure : { kind: "network" };
}

/** The server's stable code for a failure; null when it isn't the server that refused. */
export function failureCode(failure: Failure | null): string | null {
  return failure?.kind === "problem" ? failure.problem.code : null;
}

/** As `failureCode`, for what was thrown. */
export function codeOf(error: unknown): string | null {
  return error instanceof RequestFailed ? failureCode(error.failure) : null;
}
