import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { formatNumber } from "../../i18n/format";
import { Notice } from "../../layout/Notice";
import { DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { useAdmin } from "../parts/useAdmin";
import type { EndpointView, Live } from "../types";
import { Facts } from "./Facts";
import { QueueView } from "./QueueView";

const EVERY_MS = 2000;

/** What this process sees now: queues, endpoints, refusals, and what waits to be written. */
export function LiveSection() {
  const { t } = useTranslation();
  const [paused, setPaused] = useState(false);
  const live = useAdmin<Live>("live", { everyMs: paused ? false : EVERY_MS });
  const catalogue = useAdmin<EndpointView[]>("endpoints");
  const managed = new Set(catalogue.data?.map(({ endpoint }) => endpoint.name));
  return (
    <>
      <div className="buttons">
        <p className="hint">{t(paused ? "admin.live.paused" : "admin.live.every")}</p>
        <Button
          type="button"
          variant="bordered"
          size="small"
          aria-pressed={paused}
          data-testid="pause"
          onClick={() => setPaused(!paused)}
        >
          {t("admin.live.pause")}
        </Button>
      </div>
      <Reading query={live}>{(data) => <LiveView live={data} managed={managed} />}</Reading>
    </>
  );
}

function LiveView({ live, managed }: { live: Live; managed: ReadonlySet<string> }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => formatNumber(value, i18n.language);
  const { accounts } = live;
  return (
    <>
      {live.database === "away" && <Notice tone="danger">{t("admin.live.databaseAway")}</Notice>}
      {accounts.set_aside > 0 && (
        <Notice tone="warning">{t("admin.live.setAside", { count: accounts.set_aside })}</Notice>
      )}
      <Facts
        facts={[
          [t("admin.live.replicas"), number(live.replicas)],
          [t("admin.live.database"), t(`admin.live.databaseState.${live.database}`)],
          [t("admin.live.underWay"), number(accounts.under_way)],
          [t("admin.live.unwritten"), number(accounts.waiting)],
          [t("admin.live.lag"), t("admin.seconds", { value: number(accounts.lag_seconds) })],
        ]}
      />
      {live.queues.length === 0 && <p className="hint">{t("admin.live.noModel")}</p>}
      {live.queues.map((queue) => (
        <QueueView key={queue.model} queue={queue} managed={managed} />
      ))}
      <section className="part" aria-label={t("admin.live.refusals")}>
        <h3>{t("admin.live.refusals")}</h3>
        <DataTable
          caption={t("admin.live.refusalsCaption")}
          columns={[
            { title: t("admin.field.model"), cell: (row) => row.model },
            {
              title: t("admin.live.reason"),
              cell: (row) => t(`admin.refusal.${row.code}`, { defaultValue: row.code }),
            },
            { title: t("admin.live.count"), cell: (row) => number(row.count), numeric: true },
          ]}
          rows={live.refusals}
          rowKey={(row) => `${row.model} ${row.code}`}
          empty={t("admin.live.noRefusal")}
        />
      </section>
    </>
  );
}
