import { useId } from "react";
import { useTranslation } from "react-i18next";
import { formatNumber } from "../../i18n/format";
import { FailureNotice } from "../../layout/FailureNotice";
import { useDraining } from "../catalogue/useDraining";
import { DataTable, type Column } from "../parts/DataTable";
import { RowButton } from "../parts/RowButton";
import type { LiveEndpoint, Queue } from "../types";
import { State } from "./State";

/** One model: who waits for it, and the servers where its requests run. */
export function QueueView({ queue, managed }: { queue: Queue; managed: ReadonlySet<string> }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const { action, setDrained } = useDraining();
  const number = (value: number, decimals = 1) => formatNumber(value, i18n.language, decimals);

  const columns: Column<LiveEndpoint>[] = [
    { title: t("admin.field.endpoint"), cell: (row) => row.name },
    { title: t("admin.field.site"), cell: (row) => row.site },
    { title: t("admin.live.health"), cell: (row) => <State state={row.health} /> },
    { title: t("admin.live.inFlight"), cell: (row) => number(row.in_flight), numeric: true },
    { title: t("admin.live.elsewhere"), cell: (row) => number(row.elsewhere), numeric: true },
    { title: t("admin.live.limit"), cell: (row) => number(row.limit), numeric: true },
    {
      title: t("admin.live.interToken"),
      cell: (row) =>
        row.inter_token_ms === null
          ? t("admin.live.notMeasured")
          : t("admin.milliseconds", { value: number(row.inter_token_ms) }),
      numeric: true,
    },
    {
      title: t("admin.live.memory"),
      cell: (row) =>
        row.kv_usage === null
          ? t("admin.unknown")
          : t("admin.percent", { value: number(row.kv_usage * 100, 0) }),
      numeric: true,
    },
    { title: t("admin.live.probe"), cell: (row) => <ProbeView probe={row.probe} /> },
  ];
  if (queue.endpoints.some((endpoint) => managed.has(endpoint.name))) {
    columns.push({
      title: t("admin.actions"),
      cell: (row) =>
        managed.has(row.name) && (
          <RowButton
            label={t(row.health === "drained" ? "admin.resume" : "admin.drain")}
            of={row.name}
            busy={action.busy}
            testId={`drain-${row.name}`}
            onClick={() => void setDrained(row.name, row.health !== "drained")}
          />
        ),
    });
  }
  return (
    <section className="part card" aria-labelledby={id} data-testid={`queue-${queue.model}`}>
      <h3 id={id}>{queue.model}</h3>
      <p className="queue">
        <meter
          aria-label={t("admin.live.queueOf", { model: queue.model })}
          min={0}
          max={Math.max(1, queue.limit)}
          value={queue.waiting}
        />
        {t("admin.live.queue", {
          waiting: number(queue.waiting),
          limit: number(queue.limit),
          refused: number(queue.refused),
        })}{" "}
        {queue.rate === null
          ? t("admin.live.rateNotMeasured")
          : t("admin.live.rate", { rate: number(queue.rate) })}
      </p>
      {action.failure && <FailureNotice topic="administration" failure={action.failure} />}
      <DataTable
        caption={t("admin.live.endpointsOf", { model: queue.model })}
        columns={columns}
        rows={queue.endpoints}
        rowKey={(row) => row.id}
        empty={t("admin.live.noEndpoint")}
      />
    </section>
  );
}

function ProbeView({ probe }: { probe: LiveEndpoint["probe"] }) {
  const { t, i18n } = useTranslation();
  if (!probe) return t("admin.live.notProbed");
  const age = t("admin.live.ago", { value: formatNumber(probe.age_seconds, i18n.language, 0) });
  return probe.well
    ? t("admin.live.well", { ms: formatNumber(probe.ms, i18n.language, 0), age })
    : t("admin.live.unwell", { detail: probe.detail, age });
}
