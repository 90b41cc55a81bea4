import { useTranslation } from "react-i18next";
import { LanguageSwitch } from "../i18n/LanguageSwitch";
import { TelegraphMark } from "./icons";

/** The page's name; one with a title of its own leads back to the questions. */
export function Header({ title }: { title?: string }) {
  const { t } = useTranslation();
  return (
    <header className="header">
      <div className="header__name">
        <TelegraphMark />
        <div>
          <h1>{title ?? "Chappe"}</h1>
          <p>{title ? <a href="#/">{t("admin.back")}</a> : t("header.sentence")}</p>
        </div>
      </div>
      <LanguageSwitch />
    </header>
  );
}
