import { useTranslation } from "react-i18next";
import type { Section } from "./section";

export function SectionNav({ sections, current }: { sections: readonly Section[]; current: Section }) {
  const { t } = useTranslation();
  return (
    <nav className="sections" aria-label={t("admin.sections")}>
      <ul>
        {sections.map((section) => (
          <li key={section}>
            <a
              href={`#/admin/${section}`}
              data-testid={`section-${section}`}
              aria-current={section === current ? "page" : undefined}
            >
              {t(`admin.section.${section}`)}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
