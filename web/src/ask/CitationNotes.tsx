import { useTranslation } from "react-i18next";
import type { Citation } from "../api/types";

/** Says in plain words why each citation that failed its check did. */
export function CitationNotes({ citations }: { citations: Citation[] }) {
  const { t } = useTranslation();
  const failed = citations.filter((citation) => citation.status === "failed");
  if (failed.length === 0) return null;
  return (
    <div className="citation-notes">
      <h4>{t("citation.notesTitle")}</h4>
      <ul>
        {failed.map((citation, index) => (
          <li key={index}>
            <strong>{t("citation.note", { number: citation.number })}</strong>{" "}
            {t(`reason.${citation.reason ?? "not_supported"}`, { found: citation.found_in })}
          </li>
        ))}
      </ul>
    </div>
  );
}
