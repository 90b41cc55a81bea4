import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import { formatNumber } from "../../i18n/format";
import { DataTable } from "../parts/DataTable";
import type { Field } from "../parts/fields";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { SpecForm } from "../parts/SpecForm";
import { useAdmin } from "../parts/useAdmin";
import { useEditing, useInForm, withoutEtag } from "../parts/useEditing";
import { useObject } from "../parts/useObject";
import type { OrganisationSpec } from "../types";

const FIELDS: readonly Field[] = [
  { name: "slug", kind: "text", required: true, identity: true },
  { name: "name", kind: "text" },
  { name: "siret", kind: "text", optional: true },
  { name: "weight", kind: "number" },
];

/** Organisations, and the share of each when a model is saturated. */
export function OrganisationPart({ operator }: { operator: boolean }) {
  const { t, i18n } = useTranslation();
  const query = useAdmin<OrganisationSpec[]>("organisations");
  const { action, put } = useObject("organisations");
  const form = useEditing("organisation");
  const { editing, edit, create, close, heading } = form;
  const { before, seen } = useInForm(
    "organisation",
    form,
    query.data,
    (row) => row.slug === editing,
    withoutEtag,
  );
  const actions = {
    title: t("admin.actions"),
    cell: (row: OrganisationSpec) => (
      <RowButton label={t("admin.edit")} of={row.slug} onClick={() => edit(row.slug)} />
    ),
  };
  return (
    <section className="part" aria-label={t("admin.organisations.title")} data-testid="organisations">
      <h3 ref={heading} tabIndex={-1}>
        {t("admin.organisations.title")}
      </h3>
      <p className="hint">{t("admin.organisations.hint")}</p>
      <Reading query={query}>
        {(rows) => (
          <DataTable
            caption={t("admin.organisations.caption")}
            rows={rows}
            rowKey={(row) => row.slug}
            empty={t("admin.organisations.none")}
            columns={[
              { title: t("admin.field.slug"), cell: (row) => row.slug },
              { title: t("admin.field.name"), cell: (row) => row.name },
              { title: t("admin.field.siret"), cell: (row) => row.siret ?? t("admin.none") },
              {
                title: t("admin.field.weight"),
                cell: (row) => formatNumber(row.weight, i18n.language),
                numeric: true,
              },
              ...(operator ? [actions] : []),
            ]}
          />
        )}
      </Reading>
      {operator && editing === null && (
        <div className="buttons">
          <Button type="button" data-testid="add-organisation" onClick={create}>
            {t("admin.organisations.add")}
          </Button>
        </div>
      )}
      {operator && editing !== null && (editing === "" || before) && (
        <SpecForm
          key={editing}
          name={`organisation.${editing}`}
          title={
            before
              ? t("admin.organisations.change", { name: editing })
              : t("admin.organisations.add")
          }
          fields={FIELDS}
          before={before}
          seen={seen}
          defaults={{ weight: 1 }}
          action={action}
          onSave={(spec, version) => put(String(spec["slug"]), spec, version)}
          onClose={close}
        />
      )}
    </section>
  );
}
