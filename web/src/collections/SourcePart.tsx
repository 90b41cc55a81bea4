import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@gouvfr-lasuite/cunningham-react";
import { DataTable } from "../admin/parts/DataTable";
import { Reading } from "../admin/parts/Reading";
import { RowButton } from "../admin/parts/RowButton";
import { SpecForm } from "../admin/parts/SpecForm";
import { useEditing } from "../admin/parts/useEditing";
import { useRemoval } from "../admin/parts/useRemoval";
import { call } from "../api/client";
import { formatMoment } from "../i18n/format";
import { FailureNotice } from "../layout/FailureNotice";
import { SOURCE_FIELDS, SOURCE_KINDS, sourceOf, type SourceKind } from "./sourceFields";
import type { Collection, LoadReport, Source } from "./types";
import { useCollectionAction } from "./useCollectionAction";
import { useOfCollection } from "./useCollections";

const RUNNING_MS = 3_000;

/** What a run did, in one line. */
function Report({ load }: { load: LoadReport | null }) {
  const { t, i18n } = useTranslation();
  if (!load) return t("collections.neverRun");
  const { added, changed, unchanged, removed, failed } = load;
  return (
    <>
      {t(`collections.loadState.${load.state}`)} –{" "}
      {formatMoment(load.finished_at ?? load.started_at, i18n.language)}
      <p className="hint">{t("collections.report", { added, changed, unchanged, removed, failed })}</p>
      {typeof load.detail["reason"] === "string" && <p>{load.detail["reason"]}</p>}
    </>
  );
}

/** Where a collection is filled from by itself, when, and what the last run did. */
export function SourcePart({ collection: { slug, title } }: { collection: Collection }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const [kind, setKind] = useState<SourceKind>("web");
  const query = useOfCollection<Source[]>(slug, "sources", (sources) =>
    sources?.some((each) => each.last?.state === "running") ? RUNNING_MS : false,
  );
  const action = useCollectionAction();
  const removal = useRemoval(action);
  const { editing, create, close, heading } = useEditing("source");

  const run = (source: Source) =>
    action.run(
      () => call(`/api/sources/${source.id}/sync`, i18n.language, { method: "POST", body: {} }),
      t("collections.runAsked", { name: source.name }),
    );
  const remove = async (source: Source) => {
    const act = () => call(`/api/sources/${source.id}`, i18n.language, { method: "DELETE" });
    if (await removal(source.name, t("collections.removeSource"), act)) heading.current?.focus();
  };

  return (
    <section className="part" aria-label={t("collections.sources")} data-testid="sources">
      <h3 ref={heading} tabIndex={-1}>
        {t("collections.sources")}
      </h3>
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      <Reading query={query}>
        {(sources) => (
          <DataTable
            caption={t("collections.sourcesCaption")}
            rows={sources}
            rowKey={(row) => String(row.id)}
            empty={t("collections.noSource")}
            columns={[
              { title: t("collections.field.title"), cell: (row) => row.name },
              {
                title: t("collections.field.kind"),
                cell: (row) => t(`admin.option.${row.spec.kind}`),
              },
              {
                title: t("collections.field.next"),
                cell: (row) =>
                  row.next_run_at
                    ? formatMoment(row.next_run_at, i18n.language)
                    : t("collections.byHand"),
              },
              { title: t("collections.field.last"), cell: (row) => <Report load={row.last} /> },
              {
                title: t("admin.actions"),
                cell: (row) => (
                  <div className="buttons">
                    <RowButton
                      label={t("collections.run")}
                      of={row.name}
                      busy={action.busy}
                      onClick={() => void run(row)}
                    />
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
      {editing === "" ? (
        <>
          <div className="field">
            <label htmlFor={id}>{t("collections.sourceKind")}</label>
            <select id={id} value={kind} onChange={(event) => setKind(event.target.value as SourceKind)}>
              {SOURCE_KINDS.map((each) => (
                <option key={each} value={each}>
                  {t(`admin.option.${each}`)}
                </option>
              ))}
            </select>
          </div>
          <SpecForm
            key={kind}
            name={`source.${slug}.${kind}`}
            title={t("collections.addSourceTo", { title })}
            fields={SOURCE_FIELDS[kind]}
            action={action}
            onSave={(typed) =>
              action.run(
                () =>
                  call(`/api/collections/${encodeURIComponent(slug)}/sources`, i18n.language, {
                    method: "POST",
                    body: sourceOf(kind, typed),
                  }),
                t("collections.sourceAdded"),
              )
            }
            onClose={close}
          />
        </>
      ) : (
        <div className="buttons">
          <Button type="button" variant="bordered" data-testid="add-source" onClick={create}>
            {t("collections.addSource")}
          </Button>
        </div>
      )}
    </section>
  );
}
