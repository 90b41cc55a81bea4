import { useTranslation } from "react-i18next";
import { formatEuros, formatNumber } from "../../i18n/format";
import { Notice } from "../../layout/Notice";
import { DataTable, type Column } from "../parts/DataTable";
import type { Dimension, UsageLine } from "../types";
import { periodText } from "./period";
import type { Per } from "./query";
import { totals } from "./sums";

interface Props {
  lines: UsageLine[];
  by: Dimension;
  per: Per;
}

/** Usage in figures, with its sums. */
export function UsageTable({ lines, by, per }: Props) {
  const { t, i18n } = useTranslation();
  const number = (value: number, decimals = 0) => formatNumber(value, i18n.language, decimals);
  const euros = (value: string | number) => formatEuros(Number(value), i18n.language);
  const sum = totals(lines);
  const nameOf = (line: UsageLine) => {
    const value = line.groups[by];
    if (value === null || value === undefined) return t("admin.none");
    return by === "outcome" ? t(`admin.option.${value}`) : (line.names[by] ?? value);
  };
  const columns: Column<UsageLine>[] = [
    { title: t(`admin.field.${by}`), cell: nameOf },
    ...(per
      ? [
          {
            title: t("admin.usage.period"),
            cell: (line: UsageLine) => (line.period ? periodText(line.period, per, i18n.language) : ""),
          },
        ]
      : []),
    { title: t("admin.usage.requests"), cell: (line) => number(line.requests), numeric: true },
    { title: t("admin.usage.tokensIn"), cell: (line) => number(line.tokens_in), numeric: true },
    { title: t("admin.usage.cached"), cell: (line) => number(line.tokens_cached), numeric: true },
    { title: t("admin.usage.tokensOut"), cell: (line) => number(line.tokens_out), numeric: true },
    { title: t("admin.usage.energy"), cell: (line) => number(line.energy_wh, 3), numeric: true },
    { title: t("admin.usage.amount"), cell: (line) => euros(line.amount), numeric: true },
    { title: t("admin.usage.transfer"), cell: (line) => euros(line.transfer), numeric: true },
  ];
  return (
    <>
      {sum.unpriced > 0 && (
        <Notice tone="info">{t("admin.usage.unpriced", { count: sum.unpriced })}</Notice>
      )}
      <DataTable
        caption={t("admin.usage.caption")}
        testId="usage-table"
        rows={lines}
        rowKey={(line) => `${line.period} ${line.groups[by]}`}
        empty={t("admin.usage.none")}
        columns={columns}
        foot={[
          t("admin.total"),
          ...(per ? [""] : []),
          number(sum.requests),
          number(sum.tokens_in),
          number(sum.tokens_cached),
          number(sum.tokens_out),
          number(sum.energy_wh, 3),
          euros(sum.amount),
          euros(sum.transfer),
        ]}
      />
    </>
  );
}
