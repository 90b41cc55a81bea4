import { useTranslation } from "react-i18next";
import type { Source } from "../api/types";
import { SourceFacts } from "../sources/SourceFacts";
import type { OpenSource } from "../sources/target";

/** Every passage that was found for the question, cited or not. */
export function SourceList({ sources, onOpen }: { sources: Source[]; onOpen: OpenSource }) {
  const { t } = useTranslation();
  if (sources.length === 0) return null;
  return (
    <details className="source-list" open>
      <summary>{t("sources.title", { count: sources.length })}</summary>
      <ol>
        {sources.map(({ number, document, passage, version, page }) => (
          <li key={number}>
            <span className="number" aria-hidden="true">
              {number}
            </span>
            <div>
              <button
                type="button"
                className="link"
                data-testid="source"
                onClick={() =>
                  onOpen({
                    documentId: document.id,
                    version: version.number,
                    span: { start: passage.start, end: passage.end },
                    doubt: null,
                  })
                }
              >
                <span className="visually-hidden">{t("sources.number", { number })}</span>
                <span lang="fr">{document.title}</span>
              </button>
              <SourceFacts document={document} headingPath={passage.heading_path} page={page} />
            </div>
          </li>
        ))}
      </ol>
    </details>
  );
}
