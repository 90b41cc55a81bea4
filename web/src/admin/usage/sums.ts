import type { UsageLine } from "../types";

/** What a chart shows. */
export const MEASURES = ["requests", "tokens", "amount", "energy_wh"] as const;
export type ChartMeasure = (typeof MEASURES)[number];

export function measured(line: UsageLine, measure: ChartMeasure): number {
  switch (measure) {
    case "tokens":
      return line.tokens_in + line.tokens_out;
    case "amount":
      return Number(line.amount);
    default:
      return line[measure];
  }
}

/** The sum of a measure in each period, oldest first. */
export function byPeriod(
  lines: readonly UsageLine[],
  measure: ChartMeasure,
): { period: string; value: number }[] {
  const sums = new Map<string, number>();
  for (const line of lines) {
    if (line.period === null) continue;
    sums.set(line.period, (sums.get(line.period) ?? 0) + measured(line, measure));
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([period, value]) => ({ period, value }));
}

export interface Totals {
  requests: number;
  tokens_in: number;
  tokens_cached: number;
  tokens_out: number;
  energy_wh: number;
  /** Euros, added as whole millionths. */
  amount: number;
  transfer: number;
  unpriced: number;
}

const whole = (euros: string | number) => Math.round(Number(euros) * 1e6);

/** Sums over all lines. */
export function totals(lines: readonly UsageLine[]): Totals {
  const sum = (value: (line: UsageLine) => number) =>
    lines.reduce((before, line) => before + value(line), 0);
  return {
    requests: sum((line) => line.requests),
    tokens_in: sum((line) => line.tokens_in),
    tokens_cached: sum((line) => line.tokens_cached),
    tokens_out: sum((line) => line.tokens_out),
    energy_wh: sum((line) => line.energy_wh),
    amount: sum((line) => whole(line.amount)) / 1e6,
    transfer: sum((line) => whole(line.transfer)) / 1e6,
    unpriced: sum((line) => line.unpriced),
  };
}

/** A round number not below `value`, to end an axis with. */
export function ceiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value * (1 - 1e-12)) ?? 10) * power;
}
