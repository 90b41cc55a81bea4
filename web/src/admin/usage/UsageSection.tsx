import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "../../api/failure";
import { useKept } from "../parts/useKept";
import { Reading } from "../parts/Reading";
import { useAdmin } from "../parts/useAdmin";
import type { UsageReport } from "../types";
import { Filters } from "./Filters";
import { DownloadButton } from "./DownloadButton";
import { thisMonth, usageQuery, type Chosen } from "./query";
import { StatementPart } from "./StatementPart";
import { UsageChart } from "./UsageChart";
import { UsageTable } from "./UsageTable";

/** Accounts: what was asked and what it cost, filtered and grouped; and monthly statements. */
export function UsageSection() {
  const { t } = useTranslation();
  const [initial] = useState(() => thisMonth(new Date()));
  const [chosen, setChosen] = useKept<Chosen>("usage", initial);
  const path = usageQuery(chosen);
  const query = useAdmin<UsageReport>(path);
  const id = useId();
  const wrongDates = codeOf(query.error) === "range_backwards";
  return (
    <>
      <section className="part" aria-label={t("admin.usage.title")} data-testid="usage">
        <h3>{t("admin.usage.title")}</h3>
        <Filters
          chosen={chosen}
          onChange={setChosen}
          {...(wrongDates ? { datesError: id } : {})}
        />
        <div id={id} className="part">
          <Reading query={query}>
            {(report) => (
              <>
                {chosen.per !== "" && report.lines.length > 0 && (
                  <UsageChart lines={report.lines} per={chosen.per} />
                )}
                <UsageTable lines={report.lines} by={chosen.by} per={chosen.per} />
              </>
            )}
          </Reading>
        </div>
        <div className="buttons">
          <DownloadButton path={`${path}&format=csv`} file="usage.csv" label={t("admin.usage.csv")} />
        </div>
      </section>
      <StatementPart />
    </>
  );
}
