import { useContext, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Confirm } from "../admin/parts/Confirm";
import { DataTable } from "../admin/parts/DataTable";
import { RowButton } from "../admin/parts/RowButton";
import { call } from "../api/client";
import { asFailure, type Failure } from "../api/failure";
import { formatMoment } from "../i18n/format";
import { FailureNotice } from "../layout/FailureNotice";
import { DocumentStateView } from "./DocumentState";
import { addressOf } from "./place";
import type { CollectedDocument, Collection } from "./types";
import { COLLECTIONS } from "./useCollections";

interface Props {
  collection: Collection;
  documents: CollectedDocument[];
  onSaid: (text: string) => void;
}

/** The documents of a collection, what has become of each, and what can be done about it. */
export function DocumentTable({ collection, documents, onSaid }: Props) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const confirm = useContext(Confirm);
  const [failure, setFailure] = useState<Failure | null>(null);
  const mayEdit = collection.role === "editor" || collection.role === "owner";

  const act = async (document: CollectedDocument, method: "POST" | "DELETE", done: string) => {
    setFailure(null);
    const path = `/api/documents/${document.id}${method === "POST" ? "/retry" : ""}`;
    try {
      await call(path, i18n.language, { method });
      await client.invalidateQueries({ queryKey: [COLLECTIONS] });
      onSaid(done);
    } catch (error) {
      setFailure(asFailure(error));
    }
  };
  const remove = async (document: CollectedDocument) => {
    const yes = await confirm({
      title: t("collections.removeTitle", { name: document.name }),
      text: t("collections.removeText"),
      action: t("collections.remove"),
    });
    if (yes) await act(document, "DELETE", t("collections.removed", { name: document.name }));
  };

  return (
    <>
      {failure && <FailureNotice topic="administration" failure={failure} />}
      <DataTable
        caption={t("collections.documentsCaption")}
        rows={documents}
        rowKey={(row) => row.id}
        empty={t("collections.empty")}
        testId="document-list"
        columns={[
          {
            title: t("collections.field.name"),
            cell: (row) => <a href={addressOf(collection.slug, row.id)}>{row.title ?? row.name}</a>,
          },
          { title: t("collections.field.state"), cell: (row) => <DocumentStateView document={row} /> },
          {
            title: t("collections.field.changed"),
            cell: (row) => formatMoment(row.updated_at, i18n.language),
          },
          ...(mayEdit
            ? [
                {
                  title: t("admin.actions"),
                  cell: (row: CollectedDocument) => (
                    <div className="buttons">
                      {(row.state === "failed" || row.state === "partly_read") && (
                        <RowButton
                          label={t("collections.retry")}
                          of={row.name}
                          onClick={() =>
                            void act(row, "POST", t("collections.retried", { name: row.name }))
                          }
                        />
                      )}
                      {row.state !== "to_be_deleted" && (
                        <RowButton
                          label={t("collections.remove")}
                          of={row.name}
                          onClick={() => void remove(row)}
                        />
                      )}
                    </div>
                  ),
                },
              ]
            : []),
        ]}
      />
    </>
  );
}
