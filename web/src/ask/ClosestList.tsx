import { useTranslation } from "react-i18next";
import type { DocumentSummary } from "../api/types";
import { SourceFacts } from "../sources/SourceFacts";
import type { OpenSource } from "../sources/target";

/** Documents to look at where none answers the question: not an answer. */
export function ClosestList({ documents, onOpen }: { documents: DocumentSummary[]; onOpen: OpenSource }) {
  const { t } = useTranslation();
  if (documents.length === 0) return null;
  return (
    <section className="closest" aria-label={t("answer.closest")}>
      <h4>{t("answer.closest")}</h4>
      <ul>
        {documents.map((document) => (
          <li key={document.id}>
            <button
              type="button"
              className="link"
              onClick={() =>
                onOpen({
                  documentId: document.id,
                  version: null,
                  span: null,
                  doubt: null,
                })
              }
            >
              <span lang="fr">{document.title}</span>
            </button>
            <SourceFacts document={document} />
          </li>
        ))}
      </ul>
    </section>
  );
}
