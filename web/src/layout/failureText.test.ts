import { describe, expect, it } from "vitest";
import { readProblem, type Failure } from "../api/failure";
import fr from "../i18n/fr.json";
import { failureKey } from "./failureText";

const problem = (status: number, title = ""): Failure => ({
  kind: "problem",
  problem: readProblem({ title }, status),
});

describe("failureKey", () => {
  it.each([
    [{ kind: "network" } as Failure, "network"],
    [{ kind: "cut" } as Failure, "cut"],
    [problem(401), "key"],
    [problem(422), "question"],
    [problem(503), "unavailable"],
    [problem(500), "unknown"],
  ])("names a message that exists: %o", (failure, name) => {
    expect(failureKey(failure, false)).toBe(`failure.${name}`);
    expect(Object.keys(fr.failure)).toContain(name);
  });

  it("says that what came stays when a stream was cut in its middle", () => {
    expect(failureKey({ kind: "cut" }, true)).toBe("failure.cutPartial");
  });

  it("leaves the word to the server when it has one", () => {
    expect(failureKey(problem(507, "Disque plein"), false)).toBeNull();
  });
});
