import { describe, expect, it } from "vitest";
import type { UsageLine } from "../types";
import { dayAfter, thisMonth, usageQuery } from "./query";
import { byPeriod, ceiling, totals } from "./sums";

function line(part: Partial<UsageLine>): UsageLine {
  return {
    period: null,
    groups: {},
    names: {},
    requests: 1,
    tokens_in: 10,
    tokens_cached: 0,
    tokens_out: 5,
    audio_seconds: 0,
    energy_wh: 0,
    amount: "0.1",
    transfer: "0",
    unpriced: 0,
    ...part,
  };
}

describe("usage", () => {
  it("asks for whole days, the last one included, across a month's end", () => {
    expect(dayAfter("2026-02-28")).toBe("2026-03-01T00:00:00.000Z");
    const chosen = { ...thisMonth(new Date("2026-11-24T23:30:00Z")), model: "a b&c" };
    const asked = new URLSearchParams(usageQuery(chosen).split("?")[1]);
    expect(Object.fromEntries(asked)).toEqual({
      from: "2026-11-01T00:00:00Z",
      to: "2026-11-25T00:00:00.000Z",
      by: "model",
      per: "day",
      model: "a b&c",
    });
  });

  it("adds euros without binary dust", () => {
    const sum = totals([line({}), line({ amount: "0.2", tokens_out: 6 })]);
    expect(sum.amount).toBe(0.3);
    expect(sum.tokens_out).toBe(11);
  });

  it("adds the groups of a period, oldest first", () => {
    const lines = [line({ period: "2026-11-02" }), line({ period: "2026-11-01" }), line({ period: "2026-11-02" })];
    expect(byPeriod(lines, "tokens")).toEqual([
      { period: "2026-11-01", value: 15 },
      { period: "2026-11-02", value: 30 },
    ]);
  });

  it.each([
    [0, 1],
    [0.03, 0.05],
    [7, 10],
    [100, 100],
    [101, 200],
  ])("ends an axis above %d at %d", (value, end) => {
    expect(ceiling(value)).toBeCloseTo(end, 12);
  });
});
