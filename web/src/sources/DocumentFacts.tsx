import { useTranslation } from "react-i18next";
import type { SourceDocument } from "../api/types";
import { formatDate } from "../i18n/format";
import { ExternalIcon } from "../layout/icons";

const textOf = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);

/** An address that may be followed; anything but http(s) is refused. */
export function safeAddress(url: string): string | null {
  return /^https?:\/\//i.test(url) ? url : null;
}

/** What is known of a document beside its text: place, date, version, official address. */
export function DocumentFacts({ source }: { source: SourceDocument }) {
  const { t, i18n } = useTranslation();
  const date = source.date ? formatDate(source.date, i18n.language) : null;
  const law = source.kind === "article";
  const state = textOf(source.metadata["state"]);
  const versionStart = textOf(source.metadata["version_start"]) ?? source.date;
  const versionEnd = textOf(source.metadata["version_end"]);
  const address = safeAddress(source.url);
  const day = (iso: string) => formatDate(iso, i18n.language);
  return (
    <div className="document-facts">
      {source.theme_path.length > 0 && (
        <p className="document-facts__path" lang="fr">
          {source.theme_path.join(" › ")}
        </p>
      )}
      <dl>
        {law && state && (
          <>
            <dt>{t("source.state")}</dt>
            <dd>{t(`lawState.${state}`, { defaultValue: state })}</dd>
          </>
        )}
        {law && versionStart && (
          <>
            <dt>{t("source.version")}</dt>
            <dd>
              {versionEnd && !versionEnd.startsWith("2999")
                ? t("source.versionBetween", { start: day(versionStart), end: day(versionEnd) })
                : t("source.versionSince", { start: day(versionStart) })}
            </dd>
          </>
        )}
        {!law && date && (
          <>
            <dt>{t("source.changed")}</dt>
            <dd>{date}</dd>
          </>
        )}
        {source.audience && (
          <>
            <dt>{t("source.audience")}</dt>
            <dd>{source.audience}</dd>
          </>
        )}
      </dl>
      {address && (
        <p>
          <a href={address} target="_blank" rel="noopener noreferrer">
            {t("source.official")}
            <ExternalIcon />
            <span className="visually-hidden"> {t("source.newTab")}</span>
          </a>
        </p>
      )}
    </div>
  );
}
