import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import { formatMoment } from "../../i18n/format";
import { FailureNotice } from "../../layout/FailureNotice";
import { About, DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { useAction } from "../parts/useAction";
import { useAdmin } from "../parts/useAdmin";
import type { Proposal } from "../types";

/** Models that servers announce: taken under a name of the catalogue, or set aside. */
export function ProposalPart() {
  const { t, i18n } = useTranslation();
  const id = useId();
  const query = useAdmin<Proposal[]>("proposals");
  const action = useAction();
  const [names, setNames] = useState<Record<string, string>>({});
  const keyOf = (row: Proposal) => `${row.endpoint} ${row.upstream_name}`;
  const nameOf = (row: Proposal) => names[keyOf(row)] ?? row.upstream_name;
  const decide = async (row: Proposal, model: string | null) => {
    const done = await action.run(
      () =>
        call("/api/admin/proposals", i18n.language, {
          method: "POST",
          body: { endpoint: row.endpoint, upstream_name: row.upstream_name, model },
        }),
      t(model ? "admin.done.accepted" : "admin.done.ignored", { name: row.upstream_name }),
    );
    if (done) document.getElementById(id)?.focus();
  };
  return (
    <section className="part" aria-labelledby={id} data-testid="proposals">
      <h3 id={id} tabIndex={-1}>
        {t("admin.proposals.title")}
      </h3>
      <p className="hint">{t("admin.proposals.hint")}</p>
      {action.failure && <FailureNotice topic="administration" failure={action.failure} />}
      <Reading query={query}>
        {(rows) => (
          <DataTable
            caption={t("admin.proposals.caption")}
            rows={rows}
            rowKey={keyOf}
            empty={t("admin.proposals.none")}
            columns={[
              { title: t("admin.proposals.announced"), cell: (row) => row.upstream_name },
              { title: t("admin.field.endpoint"), cell: (row) => row.endpoint },
              {
                title: t("admin.proposals.since"),
                cell: (row) => formatMoment(row.first_seen, i18n.language),
              },
              {
                title: t("admin.proposals.as"),
                cell: (row) => (
                  <input
                    aria-label={t("admin.proposals.asOf", { name: row.upstream_name })}
                    value={nameOf(row)}
                    onChange={(event) => setNames({ ...names, [keyOf(row)]: event.target.value })}
                  />
                ),
              },
              {
                title: t("admin.actions"),
                cell: (row) => (
                  <div className="buttons">
                    <Button
                      type="button"
                      size="small"
                      aria-disabled={action.busy || nameOf(row).trim() === ""}
                      onClick={() => {
                        if (nameOf(row).trim()) void decide(row, nameOf(row).trim());
                      }}
                    >
                      <About label={t("admin.proposals.accept")} of={row.upstream_name} />
                    </Button>
                    <RowButton
                      label={t("admin.proposals.ignore")}
                      of={row.upstream_name}
                      busy={action.busy}
                      onClick={() => void decide(row, null)}
                    />
                  </div>
                ),
              },
            ]}
          />
        )}
      </Reading>
    </section>
  );
}
