import { useTranslation } from "react-i18next";
import type { DocumentSummary } from "../api/types";
import { formatDate } from "../i18n/format";

interface Props {
  document: DocumentSummary;
  headingPath?: string[];
  page?: number | null;
}

/** One quiet line: where in the document, and how old it is. */
export function SourceFacts({ document, headingPath = [], page = null }: Props) {
  const { t, i18n } = useTranslation();
  const path = headingPath.length > 0 ? headingPath : document.theme_path;
  return (
    <p className="facts">
      {path.length > 0 && <span lang="fr">{path.join(" › ")}</span>}
      {page !== null && <span>{t("source.page", { page })}</span>}
      {document.date && (
        <span>
          {t(document.kind === "article" ? "source.versionOf" : "source.changedOn", {
            date: formatDate(document.date, i18n.language),
          })}
        </span>
      )}
      {document.stale && <span className="facts__old">{t("source.old")}</span>}
    </p>
  );
}
