import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import type { CollectionSize } from "../api/types";

const PLACE = "chappe.collections";

function readChosen(): string[] | null {
  const kept: unknown = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
  return Array.isArray(kept) ? kept.filter((each) => typeof each === "string") : null;
}

/** The collections to search, kept by the tab; null: all. */
export function useChosenCollections(): [string[] | null, (chosen: string[] | null) => void] {
  const [chosen, setChosen] = useState(readChosen);
  const choose = useCallback((next: string[] | null) => {
    sessionStorage.setItem(PLACE, JSON.stringify(next));
    setChosen(next);
  }, []);
  return [chosen, choose];
}

interface Props {
  collections: CollectionSize[];
  chosen: string[] | null;
  onChoose: (chosen: string[] | null) => void;
}

/** Where to search: everywhere, or in some collections. */
export function CollectionChoice({ collections, chosen, onChoose }: Props) {
  const { t } = useTranslation();
  if (collections.length < 2) return null;
  const known = chosen?.filter((slug) => collections.some((each) => each.slug === slug)) ?? [];
  const names = collections.filter((each) => known.includes(each.slug)).map((each) => each.title);
  const toggle = (slug: string) => {
    const next = known.includes(slug) ? known.filter((each) => each !== slug) : [...known, slug];
    onChoose(next.length > 0 ? next : null);
  };
  return (
    <details className="where" data-testid="where">
      <summary>
        {t("where.title", { where: names.length > 0 ? names.join(", ") : t("where.everywhere") })}
      </summary>
      <fieldset>
        <legend className="hint">{t("where.hint")}</legend>
        {collections.map(({ slug, title }) => (
          <label key={slug}>
            <input type="checkbox" checked={known.includes(slug)} onChange={() => toggle(slug)} />
            {title}
          </label>
        ))}
      </fieldset>
    </details>
  );
}
