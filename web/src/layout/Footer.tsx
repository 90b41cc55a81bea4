import { useTranslation } from "react-i18next";
import type { Status } from "../api/types";
import { formatNumber } from "../i18n/format";

export function Footer({ status }: { status: Status | undefined }) {
  const { t, i18n } = useTranslation();
  return (
    <footer className="footer">
      <p>{t("footer.caution")}</p>
      {status && (
        <>
          <ul className="footer__corpus" aria-label={t("footer.corpus")}>
            {status.collections.map((each) => (
              <li key={each.slug}>
                {t("footer.collection", {
                  title: each.title,
                  documents: formatNumber(each.documents, i18n.language),
                  passages: formatNumber(each.passages, i18n.language),
                })}
              </li>
            ))}
          </ul>
          <p>
            {t("footer.version", {
              version: status.version,
              model: status.model?.id ?? t("footer.noModel"),
            })}
          </p>
        </>
      )}
      <ul className="footer__links">
        <li>
          <a href="#/collections" data-testid="collections-link">
            {t("footer.collections")}
          </a>
        </li>
        <li>
          <a href="#/admin" data-testid="admin-link">
            {t("footer.administration")}
          </a>
        </li>
      </ul>
    </footer>
  );
}
