import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import { DataTable } from "../admin/parts/DataTable";
import { Reading } from "../admin/parts/Reading";
import { RowButton } from "../admin/parts/RowButton";
import { SpecForm } from "../admin/parts/SpecForm";
import type { Field } from "../admin/parts/fields";
import { useEditing } from "../admin/parts/useEditing";
import { useRemoval } from "../admin/parts/useRemoval";
import { call } from "../api/client";
import { FailureNotice } from "../layout/FailureNotice";
import type { Collection, Grant } from "./types";
import { useCollectionAction } from "./useCollectionAction";
import { useOfCollection } from "./useCollections";

const FIELDS: readonly Field[] = [
  { name: "subject_kind", kind: "choice", options: ["person", "group", "organisation"] },
  { name: "subject_name", kind: "text", required: true },
  { name: "role", kind: "choice", options: ["reader", "editor"] },
];

/** Who may read or fill a collection, beside its owner. */
export function SharingPart({ collection: { slug, title } }: { collection: Collection }) {
  const { t, i18n } = useTranslation();
  const query = useOfCollection<Grant[]>(slug, "grants");
  const action = useCollectionAction();
  const removal = useRemoval(action);
  const { editing, create, close, heading } = useEditing("grant");
  const pathOf = (kind: string, subject: string) =>
    `/api/collections/${encodeURIComponent(slug)}/grants/${kind}/${encodeURIComponent(subject)}`;

  return (
    <section className="part" aria-label={t("collections.sharing")} data-testid="sharing">
      <h3 ref={heading} tabIndex={-1}>
        {t("collections.sharing")}
      </h3>
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      <Reading query={query}>
        {(grants) => (
          <DataTable
            caption={t("collections.sharingCaption")}
            rows={grants}
            rowKey={(row) => `${row.kind} ${row.id}`}
            empty={t("collections.sharedWithNobody")}
            columns={[
              { title: t("collections.field.subject"), cell: (row) => row.name },
              { title: t("collections.field.kind"), cell: (row) => t(`admin.option.${row.kind}`) },
              { title: t("collections.field.role"), cell: (row) => t(`collections.role.${row.role}`) },
              {
                title: t("admin.actions"),
                cell: (row) => (
                  <RowButton
                    label={t("collections.unshare")}
                    of={row.name}
                    busy={action.busy}
                    onClick={() =>
                      void removal(row.name, t("collections.unshareText"), () =>
                        call(pathOf(row.kind, row.id), i18n.language, { method: "DELETE" }),
                      ).then((done) => done && heading.current?.focus())
                    }
                  />
                ),
              },
            ]}
          />
        )}
      </Reading>
      {editing === "" ? (
        <SpecForm
          name={`grant.${slug}`}
          title={t("collections.share", { title })}
          fields={FIELDS}
          defaults={{ subject_kind: "group", role: "reader" }}
          action={action}
          onSave={({ subject_kind, subject_name, role }) =>
            action.run(
              () =>
                call(pathOf(String(subject_kind), String(subject_name)), i18n.language, {
                  method: "PUT",
                  body: { role },
                }),
              t("collections.shared", { name: String(subject_name) }),
            )
          }
          onClose={close}
        />
      ) : (
        <div className="buttons">
          <Button type="button" variant="bordered" data-testid="share" onClick={create}>
            {t("collections.addReader")}
          </Button>
        </div>
      )}
    </section>
  );
}
