import { useTranslation } from "react-i18next";
import type { Citation, Source } from "../api/types";
import { CrossIcon } from "../layout/icons";
import type { OpenSource } from "../sources/target";

interface Props {
  citation: Citation;
  source: Source | undefined;
  onOpen: OpenSource;
}

/** The numbered reference that stands in the answer in place of a marker such as [1]. */
export function CitationReference({ citation, source, onOpen }: Props) {
  const { t } = useTranslation();
  const checked = citation.status === "checked";
  const title = source?.document.title ?? t("citation.unknownTitle");
  const name = checked
    ? t("citation.checked", { number: citation.number, title })
    : t("citation.failed", {
        number: citation.number,
        title,
        reason: t(`reason.${citation.reason ?? "not_supported"}`, { found: citation.found_in }),
      });
  const documentId = citation.document_id ?? source?.document.id;
  const shared = {
    className: `citation citation--${citation.status}`,
    "data-testid": "citation",
    "data-status": citation.status,
    title: name,
  };
  const face = (
    <>
      {!checked && <CrossIcon />}
      <span aria-hidden="true">{citation.number}</span>
      <span className="visually-hidden">{name}</span>
    </>
  );
  if (!documentId) return <span {...shared}>{face}</span>;
  return (
    <button
      type="button"
      {...shared}
      onClick={() =>
        onOpen({
          documentId,
          version: citation.version ?? null,
          span: citation.span ?? source?.passage ?? null,
          doubt: checked ? null : (citation.reason ?? "not_supported"),
        })
      }
    >
      {face}
    </button>
  );
}
