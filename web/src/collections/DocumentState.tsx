import { useTranslation } from "react-i18next";
import type { DocumentState, Issue } from "./types";

const SHOWN_ISSUES = 3;

interface Props {
  document: { state: DocumentState; reason: string | null; issues: Issue[] };
  /** Every issue, not the first few. */
  whole?: boolean;
}

/** What has become of a document, and what could not be read of it, page by page. */
export function DocumentStateView({ document: { state, reason, issues }, whole = false }: Props) {
  const { t } = useTranslation();
  const shown = whole ? issues : issues.slice(0, SHOWN_ISSUES);
  return (
    <>
      <span className="document-state" data-state={state} data-testid="document-state">
        {t(`collections.state.${state}`)}
      </span>
      {reason && <p className="document-state__reason">{reason}</p>}
      {shown.length > 0 && (
        <ul className="document-state__issues">
          {shown.map((issue, index) => (
            <li key={index}>
              {issue.page !== null && `${t("collections.issuePage", { page: issue.page })} `}
              {issue.message}
            </li>
          ))}
        </ul>
      )}
      {shown.length < issues.length && (
        <p className="hint">{t("collections.moreIssues", { count: issues.length - shown.length })}</p>
      )}
    </>
  );
}
