import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useEffect, useId, useRef, useState, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import { Reading } from "../admin/parts/Reading";
import { formatNumber } from "../i18n/format";
import { DocumentTable } from "./DocumentTable";
import { SettingsPart } from "./SettingsPart";
import { SharingPart } from "./SharingPart";
import { SourcePart } from "./SourcePart";
import type { Collection, DocumentState } from "./types";
import { UploadArea } from "./UploadArea";
import { underWay, useDocuments } from "./useCollections";

const STATES: readonly DocumentState[] = [
  "ready",
  "partly_read",
  "failed",
  "received",
  "reading",
  "indexing",
  "to_be_deleted",
];
const TYPING_MS = 300;

interface Props {
  collection: Collection;
  heading: RefObject<HTMLHeadingElement | null>;
  onSaid: (text: string) => void;
}

/** One collection: dropping documents in, and what has become of each. */
export function CollectionPart({ collection, heading, onSaid }: Props) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const [state, setState] = useState("");
  const [typed, setTyped] = useState("");
  const [q, setQ] = useState("");
  const [trail, setTrail] = useState<string[]>([]);
  const after = trail.at(-1) ?? null;
  const query = useDocuments(collection.slug, { state, q, after });
  const mayEdit = collection.role === "editor" || collection.role === "owner";
  const rules = collection.role === "owner" || collection.role === "administrator";

  useEffect(() => {
    const timer = setTimeout(() => {
      setQ(typed.trim());
      setTrail([]);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);

  // What is under way is told again and again by the table; its end is worth a word.
  const busy = query.data ? underWay(query.data.counts) : false;
  const wasBusy = useRef(false);
  useEffect(() => {
    if (wasBusy.current && !busy) onSaid(t("collections.allRead"));
    wasBusy.current = busy;
  }, [busy, onSaid, t]);

  return (
    <section className="part" aria-labelledby={`${id}-h`}>
      <h2 id={`${id}-h`} ref={heading} tabIndex={-1}>
        {collection.title}
      </h2>
      {collection.description && <p>{collection.description}</p>}
      <p className="hint">
        {t(`collections.level.${collection.level}`)} ·{" "}
        {t(collection.public ? "collections.everybody" : "collections.restricted")} ·{" "}
        {t("collections.youMay", { what: t(`collections.role.${collection.role}`) })}
      </p>
      {mayEdit && <UploadArea slug={collection.slug} onSaid={onSaid} />}
      <h3>{t("collections.documents")}</h3>
      <Reading query={query}>
        {(list) => (
          <>
            <ul className="counts" aria-label={t("collections.counts")} data-testid="counts">
              {STATES.filter((each) => (list.counts[each] ?? 0) > 0).map((each) => (
                <li key={each} data-state={each}>
                  {t(`collections.counted.${each}`, {
                    count: list.counts[each] ?? 0,
                    shown: formatNumber(list.counts[each] ?? 0, i18n.language),
                  })}
                </li>
              ))}
            </ul>
            <div className="filters filters--line" role="search" aria-label={t("collections.filter")}>
              <div className="field">
                <label htmlFor={`${id}-q`}>{t("collections.byName")}</label>
                <input id={`${id}-q`} type="search" value={typed} onChange={(e) => setTyped(e.target.value)} />
              </div>
              <div className="field">
                <label htmlFor={`${id}-state`}>{t("collections.byState")}</label>
                <select
                  id={`${id}-state`}
                  value={state}
                  onChange={(event) => {
                    setState(event.target.value);
                    setTrail([]);
                  }}
                >
                  <option value="">{t("collections.anyState")}</option>
                  {STATES.map((each) => (
                    <option key={each} value={each}>
                      {t(`collections.state.${each}`)}
                    </option>
                  ))}
                </select>
              </div>
            </div>
            <DocumentTable collection={collection} documents={list.documents} onSaid={onSaid} />
            {(trail.length > 0 || list.next) && (
              <nav className="buttons" aria-label={t("collections.pages")}>
                <Button
                  type="button"
                  variant="bordered"
                  aria-disabled={trail.length === 0}
                  onClick={() => setTrail(trail.slice(0, -1))}
                >
                  {t("collections.before")}
                </Button>
                <Button
                  type="button"
                  variant="bordered"
                  aria-disabled={!list.next}
                  onClick={() => list.next && setTrail([...trail, list.next])}
                >
                  {t("collections.next")}
                </Button>
              </nav>
            )}
          </>
        )}
      </Reading>
      {rules && <SourcePart collection={collection} />}
      {rules && <SharingPart collection={collection} />}
      {rules && <SettingsPart collection={collection} />}
    </section>
  );
}
