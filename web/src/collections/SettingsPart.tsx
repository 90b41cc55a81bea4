import { useTranslation } from "react-i18next";
import { SpecForm } from "../admin/parts/SpecForm";
import { RowButton } from "../admin/parts/RowButton";
import type { Field } from "../admin/parts/fields";
import { useEditing } from "../admin/parts/useEditing";
import { useRemoval } from "../admin/parts/useRemoval";
import { call } from "../api/client";
import { FailureNotice } from "../layout/FailureNotice";
import { addressOf } from "./place";
import type { Collection } from "./types";
import { useCollectionAction } from "./useCollectionAction";

const FIELDS: readonly Field[] = [
  { name: "title", kind: "text", required: true },
  { name: "description", kind: "text" },
  { name: "collection_level", kind: "choice", options: ["0", "1", "2"] },
  { name: "language", kind: "text", required: true },
  { name: "retention_days", kind: "number", optional: true },
  { name: "public_collection", kind: "flag" },
];

/** The rules of a collection, and its removal. */
export function SettingsPart({ collection }: { collection: Collection }) {
  const { t, i18n } = useTranslation();
  const action = useCollectionAction();
  const removal = useRemoval(action);
  const { editing, edit, close, heading } = useEditing("collection");
  const { slug, title } = collection;
  const path = `/api/collections/${encodeURIComponent(slug)}`;

  const remove = async () => {
    const act = () => call(path, i18n.language, { method: "DELETE" });
    if (await removal(title, t("collections.removeAll"), act)) location.hash = addressOf();
  };

  return (
    <section className="part" aria-label={t("collections.settings")}>
      <h3 ref={heading} tabIndex={-1}>
        {t("collections.settings")}
      </h3>
      {collection.retention_days !== null && (
        <p className="hint">{t("collections.kept", { count: collection.retention_days })}</p>
      )}
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      {editing === slug ? (
        <SpecForm
          name={`collection.${slug}`}
          title={t("collections.change", { title })}
          fields={FIELDS}
          before={{
            title,
            description: collection.description,
            collection_level: String(collection.level),
            language: collection.language,
            retention_days: collection.retention_days,
            public_collection: collection.public,
          }}
          action={action}
          onSave={({ collection_level, public_collection, ...spec }) =>
            action.run(
              () =>
                call(path, i18n.language, {
                  method: "PATCH",
                  body: {
                    description: "",
                    ...spec,
                    level: Number(collection_level),
                    // Who may not open a collection to all may change the rest of it.
                    ...(public_collection === collection.public ? {} : { public: public_collection }),
                  },
                }),
              t("admin.done.saved", { name: title }),
            )
          }
          onClose={close}
        />
      ) : (
        <div className="buttons">
          <RowButton label={t("admin.edit")} of={title} testId="edit-collection" onClick={() => edit(slug)} />
          <RowButton
            label={t("admin.remove")}
            of={title}
            busy={action.busy}
            testId="remove-collection"
            onClick={() => void remove()}
          />
        </div>
      )}
    </section>
  );
}
