import { useId } from "react";
import { useTranslation } from "react-i18next";

const NAMES = ["identity", "passport", "silence", "vote"] as const;

/** Questions to start from, shown while nothing has been asked. */
export function Examples({ onChoose }: { onChoose: (question: string) => void }) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <section className="examples" aria-labelledby={id}>
      <h2 id={id}>{t("examples.title")}</h2>
      <ul>
        {NAMES.map((name) => (
          <li key={name}>
            <button
              type="button"
              className="example"
              lang="fr"
              onClick={() => onChoose(t(`examples.${name}`))}
            >
              {t(`examples.${name}`)}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
