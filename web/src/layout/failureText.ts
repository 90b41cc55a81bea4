import type { Failure } from "../api/failure";

/** Where a failure happened: the same status asks for other words. */
export type Topic = "question" | "administration";

/** Key of the plain-language message for a failure, or null when only the server can say it. */
export function failureKey(
  failure: Failure,
  partial: boolean,
  topic: Topic = "question",
): string | null {
  if (topic === "administration") return administrationKey(failure);
  switch (failure.kind) {
    case "network":
      return "failure.network";
    case "cut":
      return partial ? "failure.cutPartial" : "failure.cut";
    case "problem":
      switch (failure.problem.status) {
        case 401:
        case 403:
          return "failure.key";
        case 413:
        case 422:
          return "failure.question";
        case 429:
          return "failure.busy";
        case 503:
          return "failure.unavailable";
        default:
          return failure.problem.title === "" ? "failure.unknown" : null;
      }
  }
}

function administrationKey(failure: Failure): string | null {
  if (failure.kind !== "problem") return "admin.failure.network";
  switch (failure.problem.status) {
    case 401:
      return "admin.failure.key";
    case 403:
      return "admin.failure.right";
    case 503:
      return "failure.unavailable";
    default:
      return failure.problem.title === "" ? "failure.unknown" : null;
  }
}
