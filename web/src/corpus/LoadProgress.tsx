import { useId } from "react";
import { useTranslation } from "react-i18next";
import type { Load } from "../api/types";
import { formatNumber } from "../i18n/format";
import { Notice } from "../layout/Notice";
import { isActive } from "./useStatus";

/** Progress of the corpora on their way, and what went wrong with those that failed. */
export function LoadProgress({ loads }: { loads: Load[] }) {
  const { t } = useTranslation();
  const id = useId();
  const active = loads.filter((load) => isActive(load.state));
  const failed = loads.filter((load) => load.state === "failed");
  if (active.length + failed.length === 0) return null;
  return (
    <section className="loads" aria-labelledby={id}>
      <h2 id={id}>{t(active.length > 0 ? "loads.title" : "loads.failedTitle")}</h2>
      {active.length > 0 && <p className="hint">{t("loads.canAsk")}</p>}
      {active.map((load) => (
        <ActiveLoad key={load.source} load={load} />
      ))}
      {failed.map((load) => (
        <Notice key={load.source} tone="danger">
          <p>{t("loads.failed", { title: load.title })}</p>
          {load.error && <p className="failure__detail">{load.error}</p>}
        </Notice>
      ))}
    </section>
  );
}

function ActiveLoad({ load }: { load: Load }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const counted = load.state === "running" && load.total > 0;
  return (
    <div className="load">
      <p id={id} className="load__label">
        <span>{load.title}</span>
        <span>
          {counted
            ? t("loads.count", {
                done: formatNumber(load.done, i18n.language),
                total: formatNumber(load.total, i18n.language),
              })
            : t(`loads.${load.state}`)}
        </span>
      </p>
      <progress
        data-testid="progress"
        aria-labelledby={id}
        {...(counted ? { value: load.done, max: load.total } : {})}
      />
      {load.message && <p className="hint">{load.message}</p>}
    </div>
  );
}
