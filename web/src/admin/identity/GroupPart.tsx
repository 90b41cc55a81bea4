import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import { FailureNotice } from "../../layout/FailureNotice";
import { DataTable, type Column } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { SpecForm } from "../parts/SpecForm";
import { useAction } from "../parts/useAction";
import { useAdmin } from "../parts/useAdmin";
import { useEditing, useInForm, withoutEtag } from "../parts/useEditing";
import { useRemoval } from "../parts/useRemoval";
import type { Group, ModelSpec, OrganisationSpec, Seen, Spec } from "../types";
import { groupFields } from "./fields";

const grantOf = (group: Group) => `group:${group.organisation}/${group.slug}`;

/** Groups of people, and the models that they are granted; only who operates grants models. */
export function GroupPart({ operator }: { operator: boolean }) {
  const { t, i18n } = useTranslation();
  const query = useAdmin<Group[]>("groups");
  const models = useAdmin<ModelSpec[]>("models", { enabled: operator });
  const organisations = useAdmin<OrganisationSpec[]>("organisations", { enabled: operator });
  const action = useAction();
  const removal = useRemoval(action);
  const form = useEditing("group");
  const { editing, edit, create, close, heading } = form;
  const slugs = operator ? (organisations.data ?? []).map((each) => each.slug) : [];
  const granted = (group: Group) =>
    (models.data ?? []).filter((model) => model.grants.includes(grantOf(group)));
  const grantable = (group: Group) =>
    (models.data ?? []).filter((model) => !model.public || model.grants.includes(grantOf(group)));

  const add = ({ group, ...spec }: Spec) =>
    action.run(
      () =>
        call("/api/admin/groups", i18n.language, { method: "POST", body: { ...spec, slug: group } }),
      t("admin.done.saved", { name: String(group) }),
    );
  const ready = query.data && (!operator || models.data) ? query.data : undefined;
  const { before, seen } = useInForm("group", form, ready, (row) => row.id === editing, (group) => ({
    group: group.slug,
    name: group.name,
    ...(operator ? { models: granted(group).map((model) => model.name) } : {}),
  }));
  const inForm = query.data?.find((group) => group.id === editing);

  /** Models are granted under the name that the group had: it changes last. */
  const change = (spec: Spec, version: Seen) =>
    action.run(
      async () => {
        if (inForm && operator) await grantModels(inForm, spec["models"] as string[]);
        if (inForm && inForm.slug === spec["group"] && inForm.name === spec["name"]) return;
        await call(`/api/admin/groups/${editing}`, i18n.language, {
          method: "PUT",
          body: { slug: spec["group"], name: spec["name"] },
          seen: version,
        });
      },
      t("admin.done.saved", { name: String(spec["group"]) }),
    );
  const grantModels = async (group: Group, wanted: string[]) => {
    const grant = grantOf(group);
    for (const model of models.data ?? []) {
      const has = model.grants.includes(grant);
      if (wanted.includes(model.name) === has) continue;
      const grants = has ? model.grants.filter((each) => each !== grant) : [...model.grants, grant];
      await call(`/api/admin/models/${encodeURIComponent(model.name)}`, i18n.language, {
        method: "PUT",
        body: { ...withoutEtag(model), grants },
        seen: model.etag,
      });
    }
  };
  const remove = async (group: Group) => {
    const { id, slug, etag } = group;
    const act = () =>
      call(`/api/admin/groups/${id}`, i18n.language, { method: "DELETE", seen: etag });
    if (await removal(slug, t("admin.confirm.groups"), act)) heading.current?.focus();
  };

  const columns: Column<Group>[] = [
    { title: t("admin.field.group"), cell: (row) => row.slug },
    { title: t("admin.field.name"), cell: (row) => row.name },
    { title: t("admin.field.organisation"), cell: (row) => row.organisation },
    { title: t("admin.groups.members"), cell: (row) => row.members.join(", ") || t("admin.none") },
  ];
  if (operator) {
    columns.push({
      title: t("admin.field.models"),
      cell: (row) => granted(row).map((model) => model.name).join(", ") || t("admin.none"),
    });
  }
  columns.push({
    title: t("admin.actions"),
    cell: (row) => (
      <div className="buttons">
        <RowButton label={t("admin.edit")} of={row.slug} onClick={() => edit(row.id)} />
        <RowButton
          label={t("admin.remove")}
          of={row.slug}
          busy={action.busy}
          onClick={() => void remove(row)}
        />
      </div>
    ),
  });

  return (
    <section className="part" aria-label={t("admin.groups.title")} data-testid="groups">
      <h3 ref={heading} tabIndex={-1}>
        {t("admin.groups.title")}
      </h3>
      <p className="hint">{t("admin.groups.hint")}</p>
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      <Reading query={query}>
        {(rows) => (
          <DataTable
            caption={t("admin.groups.caption")}
            rows={rows}
            rowKey={(row) => row.id}
            empty={t("admin.groups.none")}
            columns={columns}
          />
        )}
      </Reading>
      {editing === null && (
        <div className="buttons">
          <Button type="button" data-testid="add-group" onClick={create}>
            {t("admin.groups.add")}
          </Button>
        </div>
      )}
      {editing === "" && (
        <SpecForm
          name="group."
          title={t("admin.groups.add")}
          fields={groupFields(slugs)}
          defaults={{ organisation: "default" }}
          action={action}
          onSave={add}
          onClose={close}
        />
      )}
      {editing && before && (
        <SpecForm
          key={editing}
          name={`group.${editing}`}
          title={t("admin.groups.change", { name: String(before["group"]) })}
          fields={groupFields([], inForm && operator ? grantable(inForm).map((each) => each.name) : null)}
          before={before}
          seen={seen}
          action={action}
          onSave={change}
          onClose={close}
        />
      )}
    </section>
  );
}
