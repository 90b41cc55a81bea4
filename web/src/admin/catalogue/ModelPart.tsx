import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { formatNumber } from "../../i18n/format";
import { FailureNotice } from "../../layout/FailureNotice";
import { State } from "../live/State";
import { DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { SpecForm } from "../parts/SpecForm";
import { useAdmin } from "../parts/useAdmin";
import { useEditing, useInForm, withoutEtag } from "../parts/useEditing";
import { useObject } from "../parts/useObject";
import type { ModelSpec } from "../types";
import { modelFields, NEW_MODEL } from "./fields";
import { namesOf } from "./names";

/** The models of the catalogue, and to whom they are granted. */
export function ModelPart() {
  const { t, i18n } = useTranslation();
  const query = useAdmin<ModelSpec[]>("models");
  const { action, put, remove } = useObject("models");
  const form = useEditing("model");
  const { editing, edit, create, close, heading } = form;
  const models = query.data;
  const { before, seen } = useInForm("model", form, models, (row) => row.name === editing, withoutEtag);
  const fields = useMemo(
    () => modelFields(namesOf((models ?? []).filter((model) => model.name !== editing)), []),
    [models, editing],
  );
  return (
    <section className="part" aria-label={t("admin.models.title")} data-testid="models">
      <h3 ref={heading} tabIndex={-1}>
        {t("admin.models.title")}
      </h3>
      <p className="hint">{t("admin.models.hint")}</p>
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      <Reading query={query}>
        {(rows) => (
          <DataTable
            caption={t("admin.models.caption")}
            rows={rows}
            rowKey={(row) => row.name}
            empty={t("admin.models.none")}
            columns={[
              { title: t("admin.field.name"), cell: (row) => row.name },
              { title: t("admin.field.kind"), cell: (row) => t(`admin.option.${row.kind}`) },
              { title: t("admin.field.status"), cell: (row) => <State state={row.status} /> },
              {
                title: t("admin.field.context"),
                cell: (row) => formatNumber(row.context, i18n.language),
                numeric: true,
              },
              {
                title: t("admin.models.granted"),
                cell: (row) => (row.public ? t("admin.models.everybody") : grants(row) || t("admin.models.nobody")),
              },
              {
                title: t("admin.actions"),
                cell: (row) => (
                  <div className="buttons">
                    <RowButton
                      label={t("admin.edit")}
                      of={row.name}
                      onClick={() => edit(row.name)}
                    />
                    <RowButton
                      label={t("admin.remove")}
                      of={row.name}
                      busy={action.busy}
                      onClick={async () => {
                        if (await remove(row.name, row.etag)) heading.current?.focus();
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
          <Button type="button" data-testid="add-model" onClick={create}>
            {t("admin.models.add")}
          </Button>
        </div>
      ) : (
        (editing === "" || before) && (
          <SpecForm
            key={editing}
            name={`model.${editing}`}
            title={before ? t("admin.models.change", { name: editing }) : t("admin.models.add")}
            fields={fields}
            before={before}
            seen={seen}
            defaults={NEW_MODEL}
            action={action}
            onSave={(spec, version) => put(String(spec["name"]), spec, version)}
            onClose={close}
          />
        )
      )}
    </section>
  );
}

function grants(model: ModelSpec): string {
  return model.grants.join(", ");
}
