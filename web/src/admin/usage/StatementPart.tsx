import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useId, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { formatEuros, formatNumber } from "../../i18n/format";
import { Notice } from "../../layout/Notice";
import { DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { useAdmin } from "../parts/useAdmin";
import { useKept } from "../parts/useKept";
import type { Statement } from "../types";
import { DownloadButton } from "./DownloadButton";

/** An organisation's month, which adds up to its accounts. */
export function StatementPart() {
  const { t } = useTranslation();
  const id = useId();
  const [month] = useState(() => new Date().toISOString().slice(0, 7));
  const [initial] = useState({ organisation: "default", month });
  const [typed, setTyped] = useKept("statement", initial);
  const [asked, setAsked] = useState<{ organisation: string; month: string } | null>(null);
  const path = asked
    ? `statements/${encodeURIComponent(asked.organisation)}/${encodeURIComponent(asked.month)}`
    : "";
  const query = useAdmin<Statement>(path, { enabled: asked !== null });
  const ask = (event: FormEvent) => {
    event.preventDefault();
    if (typed.organisation.trim() && typed.month.trim()) {
      setAsked({ organisation: typed.organisation.trim(), month: typed.month.trim() });
    }
  };
  return (
    <section className="part" aria-labelledby={`${id}-title`} data-testid="statement">
      <h3 id={`${id}-title`}>{t("admin.statement.title")}</h3>
      <p className="hint">{t("admin.statement.hint")}</p>
      <form className="filters" onSubmit={ask}>
        <div className="field">
          <label htmlFor={`${id}-organisation`}>{t("admin.field.organisation")}</label>
          <input
            id={`${id}-organisation`}
            autoComplete="off"
            value={typed.organisation}
            onChange={(event) => setTyped({ ...typed, organisation: event.target.value })}
          />
        </div>
        <div className="field">
          <label htmlFor={`${id}-month`}>{t("admin.statement.month")}</label>
          <input
            id={`${id}-month`}
            type="month"
            placeholder="2026-11"
            value={typed.month}
            onChange={(event) => setTyped({ ...typed, month: event.target.value })}
          />
        </div>
        <Button type="submit" data-testid="show-statement">
          {t("admin.statement.show")}
        </Button>
      </form>
      {asked && (
        <Reading query={query}>
          {(statement) => <StatementView statement={statement} path={path} />}
        </Reading>
      )}
    </section>
  );
}

function StatementView({ statement, path }: { statement: Statement; path: string }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => formatNumber(value, i18n.language);
  const euros = (value: string | number) => formatEuros(Number(value), i18n.language);
  const verified = statement.verified === null ? "gone" : statement.verified ? "yes" : "no";
  return (
    <>
      <Notice tone={verified === "no" ? "danger" : "info"}>
        <p data-testid="verified">{t(`admin.statement.verified.${verified}`)}</p>
        {!statement.over && <p>{t("admin.statement.provisional")}</p>}
      </Notice>
      <DataTable
        caption={t("admin.statement.caption", {
          organisation: statement.organisation,
          month: statement.month,
        })}
        rows={statement.lines}
        rowKey={(line) => `${line.model} ${line.site}`}
        empty={t("admin.usage.none")}
        columns={[
          { title: t("admin.field.model"), cell: (line) => line.model },
          { title: t("admin.field.site"), cell: (line) => line.site || t("admin.none") },
          { title: t("admin.usage.requests"), cell: (line) => number(line.requests), numeric: true },
          { title: t("admin.usage.tokensIn"), cell: (line) => number(line.tokens_in), numeric: true },
          { title: t("admin.usage.cached"), cell: (line) => number(line.tokens_cached), numeric: true },
          {
            title: t("admin.usage.tokensOut"),
            cell: (line) => number(line.tokens_out),
            numeric: true,
          },
          {
            title: t("admin.usage.amount"),
            cell: (line) => (line.priced ? euros(line.amount) : t("admin.statement.noPrice")),
            numeric: true,
          },
          { title: t("admin.usage.transfer"), cell: (line) => euros(line.transfer), numeric: true },
        ]}
        foot={[
          t("admin.total"),
          "",
          number(statement.requests),
          number(statement.tokens_in),
          number(statement.tokens_cached),
          number(statement.tokens_out),
          euros(statement.amount),
          euros(statement.transfer),
        ]}
      />
      <div className="buttons">
        <DownloadButton
          path={`${path}?format=csv`}
          file={`statement-${statement.organisation}-${statement.month}.csv`}
          label={t("admin.statement.csv")}
        />
      </div>
    </>
  );
}
