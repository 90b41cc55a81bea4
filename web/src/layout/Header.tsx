import { useTranslation } from "react-i18next";
import { LanguageSwitch } from "../i18n/LanguageSwitch";
import { TelegraphMark } from "./icons";

/** The page's name; an administration page says so, and leads back to the questions. */
export function Header({ administration = false }: { administration?: boolean }) {
  const { t } = useTranslation();
  return (
    <header className="header">
      <div className="header__name">
        <TelegraphMark />
        <div>
          <h1>{administration ? t("admin.title") : "Chappe"}</h1>
          <p>{administration ? <a href="#/">{t("admin.back")}</a> : t("header.sentence")}</p>
        </div>
      </div>
      <LanguageSwitch />
    </header>
  );
}
