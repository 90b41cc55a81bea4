import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { callJson } from "../../api/client";
import { FailureNotice } from "../../layout/FailureNotice";
import { DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { SpecForm } from "../parts/SpecForm";
import { useAction } from "../parts/useAction";
import { useAdmin } from "../parts/useAdmin";
import { useEditing, useInForm } from "../parts/useEditing";
import { useObject } from "../parts/useObject";
import type { EndpointView } from "../types";
import { ENDPOINT_FIELDS, NEW_ENDPOINT } from "./fields";
import { useDraining } from "./useDraining";

interface TestResult {
  name: string;
  well: boolean;
  models?: string[];
  detail?: string;
}

/** The servers: described, tested, drained and resumed. */
export function EndpointPart() {
  const { t, i18n } = useTranslation();
  const query = useAdmin<EndpointView[]>("endpoints");
  const { action, put, remove } = useObject("endpoints");
  const draining = useDraining();
  const testing = useAction();
  const [tested, setTested] = useState<TestResult | null>(null);
  const form = useEditing("endpoint");
  const { editing, edit, create, close, heading } = form;
  const { before, seen } = useInForm(
    "endpoint",
    form,
    query.data,
    (row) => row.endpoint.name === editing,
    (row) => row.endpoint,
  );
  const failure =
    (editing === null ? action.failure : null) ?? draining.action.failure ?? testing.failure;

  const test = (name: string) =>
    testing.run(async () => {
      const path = `/api/admin/endpoints/${encodeURIComponent(name)}/test`;
      const result = await callJson<Omit<TestResult, "name">>(path, i18n.language, {
        method: "POST",
      });
      setTested({ name, ...result });
    }, t("admin.done.tested", { name }));

  return (
    <section className="part" aria-label={t("admin.endpoints.title")} data-testid="endpoints">
      <h3 ref={heading} tabIndex={-1}>
        {t("admin.endpoints.title")}
      </h3>
      <p className="hint">{t("admin.endpoints.hint")}</p>
      {failure && <FailureNotice topic="administration" failure={failure} />}
      {tested && (
        <p data-testid="tested">
          {tested.well
            ? t("admin.endpoints.well", {
                name: tested.name,
                models: tested.models?.join(", ") || t("admin.none"),
              })
            : t("admin.endpoints.unwell", { name: tested.name, detail: tested.detail })}
        </p>
      )}
      <Reading query={query}>
        {(rows) => (
          <DataTable
            caption={t("admin.endpoints.caption")}
            rows={rows}
            rowKey={(row) => row.endpoint.name}
            empty={t("admin.endpoints.none")}
            columns={[
              { title: t("admin.field.name"), cell: (row) => row.endpoint.name },
              { title: t("admin.field.url"), cell: (row) => row.endpoint.url },
              {
                title: t("admin.field.engine"),
                cell: (row) => t(`admin.option.${row.endpoint.engine}`),
              },
              { title: t("admin.field.site"), cell: (row) => row.endpoint.site },
              {
                title: t("admin.field.clearance"),
                cell: (row) => t(`admin.option.${row.endpoint.clearance}`),
              },
              {
                title: t("admin.endpoints.models"),
                cell: (row) => Object.keys(row.endpoint.serves).join(", ") || t("admin.none"),
              },
              {
                title: t("admin.field.secret"),
                cell: (row) => t(row.has_secret ? "admin.yes" : "admin.no"),
              },
              {
                title: t("admin.actions"),
                cell: ({ endpoint: { name, drained }, etag }) => (
                  <div className="buttons">
                    <RowButton label={t("admin.edit")} of={name} onClick={() => edit(name)} />
                    <RowButton
                      label={t("admin.test")}
                      of={name}
                      busy={testing.busy}
                      onClick={() => void test(name)}
                    />
                    <RowButton
                      label={t(drained ? "admin.resume" : "admin.drain")}
                      of={name}
                      busy={draining.action.busy}
                      onClick={() => void draining.setDrained(name, !drained)}
                    />
                    <RowButton
                      label={t("admin.remove")}
                      of={name}
                      busy={action.busy}
                      onClick={async () => {
                        if (await remove(name, etag)) heading.current?.focus();
                      }}
                    />
                  </div>
                ),
              },
            ]}
          />
        )}
      </Reading>
      {editing === null ? (
        <div className="buttons">
          <Button type="button" data-testid="add-endpoint" onClick={create}>
            {t("admin.endpoints.add")}
          </Button>
        </div>
      ) : (
        (editing === "" || before) && (
          <SpecForm
            key={editing}
            name={`endpoint.${editing}`}
            title={
              before ? t("admin.endpoints.change", { name: editing }) : t("admin.endpoints.add")
            }
            fields={ENDPOINT_FIELDS}
            before={before}
            seen={seen}
            defaults={NEW_ENDPOINT}
            action={action}
            onSave={(spec, version) => put(String(spec["name"]), spec, version)}
            onClose={close}
          />
        )
      )}
    </section>
  );
}
