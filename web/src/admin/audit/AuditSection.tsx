import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { callJson } from "../../api/client";
import { codeOf } from "../../api/failure";
import { formatMoment, formatNumber } from "../../i18n/format";
import { FailureNotice } from "../../layout/FailureNotice";
import { Notice } from "../../layout/Notice";
import { State } from "../live/State";
import { About, DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { useAction } from "../parts/useAction";
import { useAdmin } from "../parts/useAdmin";
import type { AuditEntry, Key, Verdict } from "../types";

const PAGE = 50;

/** Every administrative act and every refused access, newest first; and whether the chain holds. */
export function AuditSection({ operator }: { operator: boolean }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const [typed, setTyped] = useState("");
  const [action, setAction] = useState("");
  const [outcome, setOutcome] = useState("");
  const [before, setBefore] = useState<number | null>(null);
  const parameters = new URLSearchParams({ limit: String(PAGE) });
  if (action) parameters.set("action", action);
  if (outcome) parameters.set("outcome", outcome);
  if (before !== null) parameters.set("before", String(before));
  const query = useAdmin<AuditEntry[]>(`audit?${parameters}`);
  const keys = useAdmin<Key[]>("keys");
  const known = [...new Set(query.data?.map((entry) => entry.action))].sort();
  const last = query.data?.at(-1)?.sequence;
  const wrongAct = codeOf(query.error) === "unknown_act";
  const ask = (act: string) => {
    if (act.trim() === action) return;
    setAction(act.trim());
    setBefore(null);
  };
  return (
    <>
      {operator && <VerifyPart />}
      <section className="part" aria-labelledby={`${id}-title`} data-testid="audit">
        <h3 id={`${id}-title`}>{t("admin.audit.title")}</h3>
        <div className="filters">
          <div className="field">
            <label htmlFor={id}>{t("admin.audit.act")}</label>
            <input
              id={id}
              list={`${id}-acts`}
              autoComplete="off"
              data-testid="filter-action"
              aria-describedby={wrongAct ? `${id}-hint ${id}-entries` : `${id}-hint`}
              {...(wrongAct ? { "aria-invalid": true } : {})}
              value={typed}
              onChange={(event) => {
                setTyped(event.target.value);
                if (event.target.value === "" || known.includes(event.target.value)) {
                  ask(event.target.value);
                }
              }}
              onKeyDown={(event) => {
                if (event.key === "Enter") ask(typed);
              }}
              onBlur={() => ask(typed)}
            />
            <datalist id={`${id}-acts`}>
              {known.map((each) => (
                <option key={each} value={each} />
              ))}
            </datalist>
            <p className="hint" id={`${id}-hint`}>
              {t("admin.audit.actHint")}
            </p>
          </div>
          <div className="field">
            <label htmlFor={`${id}-outcome`}>{t("admin.field.outcome")}</label>
            <select
              id={`${id}-outcome`}
              data-testid="filter-outcome"
              value={outcome}
              onChange={(event) => {
                setOutcome(event.target.value);
                setBefore(null);
              }}
            >
              <option value="">{t("admin.usage.all")}</option>
              {["done", "refused"].map((each) => (
                <option key={each} value={each}>
                  {t(`admin.option.${each}`)}
                </option>
              ))}
            </select>
          </div>
        </div>
        <div id={`${id}-entries`}>
          <Reading query={query}>
            {(entries) => (
              <DataTable
                caption={t("admin.audit.caption")}
                testId="audit-table"
                rows={entries}
                rowKey={(entry) => String(entry.sequence)}
                empty={t("admin.audit.none")}
                columns={[
                  {
                    title: t("admin.audit.number"),
                    cell: (entry) => formatNumber(entry.sequence, i18n.language),
                  },
                  { title: t("admin.audit.at"), cell: (entry) => formatMoment(entry.at, i18n.language) },
                  { title: t("admin.audit.actor"), cell: (entry) => <Named text={entry.actor} keys={keys.data} /> },
                  { title: t("admin.audit.act"), cell: (entry) => <code>{entry.action}</code> },
                  { title: t("admin.audit.object"), cell: (entry) => <Named text={entry.object} keys={keys.data} /> },
                  {
                    title: t("admin.field.outcome"),
                    cell: (entry) => <State state={entry.outcome} />,
                  },
                  {
                    title: t("admin.audit.detail"),
                    cell: (entry) =>
                      Object.keys(entry.detail).length > 0 && (
                        <details>
                          <summary>
                            <About label={t("admin.audit.open")} of={String(entry.sequence)} />
                          </summary>
                          <pre>{JSON.stringify(entry.detail, null, 2)}</pre>
                        </details>
                      ),
                  },
                ]}
              />
            )}
          </Reading>
        </div>
        <div className="buttons">
          {before !== null && (
            <Button type="button" variant="bordered" onClick={() => setBefore(null)}>
              {t("admin.audit.newest")}
            </Button>
          )}
          {query.data?.length === PAGE && last !== undefined && last > 1 && (
            <Button type="button" variant="bordered" onClick={() => setBefore(last)}>
              {t("admin.audit.older")}
            </Button>
          )}
        </div>
      </section>
    </>
  );
}

function VerifyPart() {
  const { t, i18n } = useTranslation();
  const action = useAction();
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const verify = () =>
    action.run(async () => {
      setVerdict(await callJson<Verdict>("/api/admin/audit/verification", i18n.language));
    }, t("admin.done.verified"));
  return (
    <section className="part" aria-label={t("admin.audit.chain")} data-testid="verify-part">
      <h3>{t("admin.audit.chain")}</h3>
      <p className="hint">{t("admin.audit.chainHint")}</p>
      {action.failure && <FailureNotice topic="administration" failure={action.failure} />}
      {verdict && (
        <Notice tone={verdict.holds ? "info" : "danger"}>
          <p data-testid="verdict">
            {verdict.holds
              ? t("admin.audit.holds", { count: verdict.entries })
              : t("admin.audit.broken", { number: verdict.broken_at, reason: verdict.reason })}
          </p>
          <p className="anchor">{t("admin.audit.anchor", { sequence: verdict.entries, hash: verdict.last })}</p>
        </Notice>
      )}
      <div className="buttons">
        <Button
          type="button"
          variant="bordered"
          data-testid="verify"
          aria-disabled={action.busy}
          onClick={() => void verify()}
        >
          {t("admin.audit.verify")}
        </Button>
      </div>
    </section>
  );
}

/** What the log says of who or what; a key is named, with the beginning of its identifier. */
function Named({ text, keys }: { text: string; keys: readonly Key[] | undefined }) {
  const key = keys?.find((each) => each.id === text.replace(/^key:/, ""));
  if (!key) return text;
  return (
    <>
      {key.name} <code>{text.slice(0, text.length - key.id.length + 8)}…</code>
    </>
  );
}
