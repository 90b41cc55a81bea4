import { useTranslation } from "react-i18next";
import { LanguageSwitch } from "../i18n/LanguageSwitch";
import { TelegraphMark } from "./icons";

export function Header() {
  const { t } = useTranslation();
  return (
    <header className="header">
      <div className="header__name">
        <TelegraphMark />
        <div>
          <h1>Chappe</h1>
          <p>{t("header.sentence")}</p>
        </div>
      </div>
      <LanguageSwitch />
    </header>
  );
}
