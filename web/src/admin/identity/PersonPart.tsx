import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import { formatMoment } from "../../i18n/format";
import { FailureNotice } from "../../layout/FailureNotice";
import { DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { SpecForm } from "../parts/SpecForm";
import { useAction } from "../parts/useAction";
import { useAdmin } from "../parts/useAdmin";
import { useEditing, useInForm } from "../parts/useEditing";
import { useRemoval } from "../parts/useRemoval";
import type { Group, OrganisationSpec, Person, Spec } from "../types";
import { personFields } from "./fields";

/** People of organisations, and the groups that they are in. */
export function PersonPart({ operator }: { operator: boolean }) {
  const { t, i18n } = useTranslation();
  const query = useAdmin<Person[]>("people");
  const groups = useAdmin<Group[]>("groups");
  const organisations = useAdmin<OrganisationSpec[]>("organisations", { enabled: operator });
  const action = useAction();
  const removal = useRemoval(action);
  const form = useEditing("person");
  const { editing, edit, create, close, heading } = form;
  const { before, seen } = useInForm(
    "person",
    form,
    query.data,
    (row) => row.id === editing,
    ({ name, organisation, groups: memberOf }) => ({ name, organisation, groups: memberOf }),
  );
  const inForm = query.data?.find((person) => person.id === editing);
  const around = (groups.data ?? []).filter((group) => group.organisation === before?.["organisation"]);
  const slugs = operator ? (organisations.data ?? []).map((each) => each.slug) : [];

  const add = (spec: Spec) =>
    action.run(
      () => call("/api/admin/people", i18n.language, { method: "POST", body: spec }),
      t("admin.done.saved", { name: String(spec["name"]) }),
    );
  const change = (spec: Spec) => {
    const wanted = spec["groups"] as string[];
    return action.run(
      async () => {
        for (const group of around) {
          const member = wanted.includes(group.slug);
          if (inForm && member === inForm.groups.includes(group.slug)) continue;
          await call(`/api/admin/groups/${group.id}/members/${editing}`, i18n.language, {
            method: member ? "PUT" : "DELETE",
          });
        }
      },
      t("admin.done.saved", { name: String(before?.["name"]) }),
    );
  };
  const remove = async (person: Person) => {
    const { id, name, etag } = person;
    const act = () =>
      call(`/api/admin/people/${id}`, i18n.language, { method: "DELETE", seen: etag });
    if (await removal(name, t("admin.confirm.people"), act)) heading.current?.focus();
  };

  return (
    <section className="part" aria-label={t("admin.people.title")} data-testid="people">
      <h3 ref={heading} tabIndex={-1}>
        {t("admin.people.title")}
      </h3>
      <p className="hint">{t("admin.people.hint")}</p>
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      <Reading query={query}>
        {(rows) => (
          <DataTable
            caption={t("admin.people.caption")}
            rows={rows}
            rowKey={(row) => row.id}
            empty={t("admin.people.none")}
            columns={[
              { title: t("admin.field.name"), cell: (row) => row.name },
              { title: t("admin.field.organisation"), cell: (row) => row.organisation },
              {
                title: t("admin.field.groups"),
                cell: (row) => row.groups.join(", ") || t("admin.none"),
              },
              {
                title: t("admin.people.since"),
                cell: (row) => formatMoment(row.created_at, i18n.language),
              },
              {
                title: t("admin.actions"),
                cell: (row) => (
                  <div className="buttons">
                    <RowButton label={t("admin.edit")} of={row.name} onClick={() => edit(row.id)} />
                    <RowButton
                      label={t("admin.remove")}
                      of={row.name}
                      busy={action.busy}
                      onClick={() => void remove(row)}
                    />
                  </div>
                ),
              },
            ]}
          />
        )}
      </Reading>
      {editing === null && (
        <div className="buttons">
          <Button type="button" data-testid="add-person" onClick={create}>
            {t("admin.people.add")}
          </Button>
        </div>
      )}
      {editing !== null && (editing === "" || (before && groups.data)) && (
        <SpecForm
          key={editing}
          name={`person.${editing}`}
          title={before ? t("admin.people.change", { name: before["name"] }) : t("admin.people.add")}
          fields={before ? personFields([], around.map((each) => each.slug)) : personFields(slugs)}
          before={before}
          seen={seen}
          defaults={{ organisation: "default" }}
          action={action}
          onSave={(spec) => (before ? change(spec) : add(spec))}
          onClose={close}
        />
      )}
    </section>
  );
}
