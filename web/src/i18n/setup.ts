import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import en from "./en.json";
import fr from "./fr.json";

const NAME = "chappe.language";
export const LANGUAGES = ["fr", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

function chosen(): Language {
  return localStorage.getItem(NAME) === "en" ? "en" : "fr";
}

function tellDocument(language: string) {
  document.documentElement.lang = language;
  document.title = i18next.t("header.documentTitle");
}

/** Starts the interface in the language chosen last time, French the first time. */
export async function startI18n(): Promise<void> {
  await i18next.use(initReactI18next).init({
    resources: { fr: { translation: fr }, en: { translation: en } },
    lng: chosen(),
    fallbackLng: "fr",
    interpolation: { escapeValue: false },
  });
  tellDocument(i18next.language);
  i18next.on("languageChanged", (language) => {
    localStorage.setItem(NAME, language);
    tellDocument(language);
  });
}
