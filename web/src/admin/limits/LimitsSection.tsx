import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import { formatNumber } from "../../i18n/format";
import { FailureNotice } from "../../layout/FailureNotice";
import { namesOf } from "../catalogue/names";
import { DataTable, type Column } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { SpecForm } from "../parts/SpecForm";
import { useAction } from "../parts/useAction";
import { useAdmin } from "../parts/useAdmin";
import { useEditing, useInForm } from "../parts/useEditing";
import { useRemoval } from "../parts/useRemoval";
import type { Limit, ModelSpec, OrganisationSpec, Seen, Spec } from "../types";
import { limitFields, NEW_LIMIT } from "./fields";

const EVERY_MS = 5000;

/** What is set of a limit, without what is used of it. */
function specOf(limit: Limit): Spec {
  const { id: _id, etag: _etag, used: _used, held: _held, remaining: _left, ...rest } = limit;
  const { resets_at: _end, ...spec } = rest;
  return spec;
}

/** Limits with what is left of each; only who operates the installation changes them. */
export function LimitsSection({ operator }: { operator: boolean }) {
  const { t, i18n } = useTranslation();
  const query = useAdmin<Limit[]>("limits", { everyMs: EVERY_MS });
  const models = useAdmin<ModelSpec[]>("models", { enabled: operator });
  const organisations = useAdmin<OrganisationSpec[]>("organisations", { enabled: operator });
  const action = useAction();
  const removal = useRemoval(action);
  const form = useEditing("limit");
  const { editing, edit, create, close, heading } = form;
  const { before, seen } = useInForm("limit", form, query.data, (row) => row.id === editing, specOf);
  const number = (value: number) => formatNumber(value, i18n.language, 1);
  const nameOf = (limit: Pick<Limit, "subject" | "model" | "measure">) =>
    [limit.subject, limit.model, t(`admin.option.${limit.measure}`)].filter(Boolean).join(", ");
  const fields = limitFields(
    namesOf(models.data ?? []),
    (organisations.data ?? []).map((each) => `organisation:${each.slug}`),
  );

  const save = (spec: Spec, version: Seen) =>
    action.run(
      () => call("/api/admin/limits", i18n.language, { method: "PUT", body: spec, seen: version }),
      t("admin.done.saved", { name: String(spec["subject"]) }),
    );
  const remove = async (limit: Limit) => {
    const query = new URLSearchParams({ subject: limit.subject, measure: limit.measure });
    if (limit.period) query.set("period", limit.period);
    if (limit.model) query.set("model", limit.model);
    const act = () =>
      call(`/api/admin/limits?${query}`, i18n.language, { method: "DELETE", seen: limit.etag });
    if (await removal(nameOf(limit), t("admin.confirm.limits"), act)) heading.current?.focus();
  };

  const columns: Column<Limit>[] = [
    { title: t("admin.field.subject"), cell: (row) => row.subject },
    { title: t("admin.field.model"), cell: (row) => row.model ?? t("admin.limits.everyModel") },
    { title: t("admin.field.measure"), cell: (row) => t(`admin.option.${row.measure}`) },
    {
      title: t("admin.field.period"),
      cell: (row) => t(row.period ? `admin.option.${row.period}` : "admin.limits.atOnce"),
    },
    { title: t("admin.field.amount"), cell: (row) => number(row.amount), numeric: true },
    {
      title: t("admin.limits.used"),
      cell: (row) => (
        <>
          <meter
            aria-label={t("admin.limits.usedOf", { name: nameOf(row) })}
            min={0}
            max={Math.max(row.amount, 1e-9)}
            high={row.amount * row.warn_at}
            optimum={0}
            value={row.used}
          />{" "}
          {number(row.used)}
        </>
      ),
      numeric: true,
    },
    {
      title: t("admin.limits.left"),
      cell: (row) => number(row.remaining),
      numeric: true,
    },
    {
      title: t("admin.limits.resets"),
      cell: (row) => t(`admin.limits.reset.${row.period ?? "never"}`),
    },
    { title: t("admin.field.action"), cell: (row) => t(`admin.option.${row.action}`) },
  ];
  if (operator) {
    columns.push({
      title: t("admin.actions"),
      cell: (row) => (
        <div className="buttons">
          <RowButton label={t("admin.edit")} of={nameOf(row)} onClick={() => edit(row.id)} />
          <RowButton
            label={t("admin.remove")}
            of={nameOf(row)}
            busy={action.busy}
            onClick={() => void remove(row)}
          />
        </div>
      ),
    });
  }
  return (
    <section className="part" aria-label={t("admin.limits.title")} data-testid="limits">
      <h3 ref={heading} tabIndex={-1}>
        {t("admin.limits.title")}
      </h3>
      <p className="hint">{t("admin.limits.hint")}</p>
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      <Reading query={query}>
        {(rows) => (
          <DataTable
            caption={t("admin.limits.caption")}
            rows={rows}
            rowKey={(row) => row.id}
            empty={t("admin.limits.none")}
            columns={columns}
          />
        )}
      </Reading>
      {operator && editing === null && (
        <div className="buttons">
          <Button type="button" data-testid="add-limit" onClick={create}>
            {t("admin.limits.add")}
          </Button>
        </div>
      )}
      {operator && editing !== null && (editing === "" || before) && (
        <SpecForm
          key={editing}
          name={`limit.${editing}`}
          title={before ? t("admin.limits.change", { name: nameOf(before as unknown as Limit) }) : t("admin.limits.add")}
          fields={fields}
          before={before}
          seen={seen}
          defaults={NEW_LIMIT}
          action={action}
          onSave={save}
          onClose={close}
        />
      )}
    </section>
  );
}
