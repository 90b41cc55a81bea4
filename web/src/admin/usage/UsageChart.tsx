import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { formatNumber } from "../../i18n/format";
import type { UsageLine } from "../types";
import { periodText } from "./period";
import type { Per } from "./query";
import { byPeriod, ceiling, MEASURES, type ChartMeasure } from "./sums";

const WIDTH = 720;
const HEIGHT = 240;
const LEFT = 110;
const BOTTOM = 40;
const TOP = 24;

/** Bars by period. The table below says the same in figures; each bar names itself on hover. */
export function UsageChart({ lines, per }: { lines: UsageLine[]; per: Per }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const [measure, setMeasure] = useState<ChartMeasure>("tokens");
  const bars = byPeriod(lines, measure);
  const top = ceiling(Math.max(0, ...bars.map((bar) => bar.value)));
  const number = (value: number) => formatNumber(value, i18n.language, value < 10 ? 4 : 1);
  const short = new Intl.NumberFormat(i18n.language, { notation: "compact" });
  const text = (period: string) => periodText(period, per, i18n.language);
  const step = (WIDTH - LEFT) / Math.max(bars.length, 4);
  const height = (value: number) => ((HEIGHT - TOP - BOTTOM) * value) / top;
  const first = bars[0];
  const last = bars.at(-1);
  return (
    <figure className="chart" data-testid="chart">
      <div className="field field--inline">
        <label htmlFor={`${id}-measure`}>{t("admin.usage.measure")}</label>
        <select
          id={`${id}-measure`}
          value={measure}
          onChange={(event) => setMeasure(event.target.value as ChartMeasure)}
        >
          {MEASURES.map((each) => (
            <option key={each} value={each}>
              {t(`admin.usage.measures.${each}`)}
            </option>
          ))}
        </select>
      </div>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-labelledby={id}>
        {[0, top / 2, top].map((value) => {
          const y = HEIGHT - BOTTOM - height(value);
          return (
            <g key={value}>
              <line className="chart__line" x1={LEFT} x2={WIDTH} y1={y} y2={y} />
              <text className="chart__text" x={LEFT - 8} y={y + 4} textAnchor="end">
                {short.format(value)}
              </text>
            </g>
          );
        })}
        {bars.map(({ period, value }, index) => (
          <rect
            key={period}
            className="chart__bar"
            x={LEFT + index * step + step * 0.15}
            width={step * 0.7}
            y={HEIGHT - BOTTOM - height(value)}
            height={height(value)}
          >
            <title>{`${text(period)} – ${number(value)}`}</title>
          </rect>
        ))}
        {first && (
          <text className="chart__text" x={LEFT} y={HEIGHT - 8}>
            {text(first.period)}
          </text>
        )}
        {last && last !== first && (
          <text
            className="chart__text"
            x={Math.max(LEFT + 2 * step, LEFT + bars.length * step)}
            y={HEIGHT - 8}
            textAnchor="end"
          >
            {bars.length > 4 ? text(last.period) : ""}
          </text>
        )}
      </svg>
      <figcaption id={id}>
        {t("admin.usage.chart", { measure: t(`admin.usage.measures.${measure}`) })}
      </figcaption>
    </figure>
  );
}
