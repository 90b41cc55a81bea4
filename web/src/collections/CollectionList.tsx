import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useState, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import { DataTable } from "../admin/parts/DataTable";
import { formatNumber } from "../i18n/format";
import { CollectionForm } from "./CollectionForm";
import { addressOf } from "./place";
import type { Collection } from "./types";

interface Props {
  collections: Collection[];
  heading: RefObject<HTMLHeadingElement | null>;
  onSaid: (text: string) => void;
}

/** The collections that the reader may read, and the form that makes another. */
export function CollectionList({ collections, heading, onSaid }: Props) {
  const { t, i18n } = useTranslation();
  const [making, setMaking] = useState(false);
  const count = (value: number) => formatNumber(value, i18n.language);
  return (
    <section className="part" aria-labelledby="collections-title">
      <h2 id="collections-title" ref={heading} tabIndex={-1}>
        {t("collections.yours")}
      </h2>
      <p className="hint">{t("collections.hint")}</p>
      <DataTable
        caption={t("collections.caption")}
        rows={collections}
        rowKey={(row) => row.slug}
        empty={t("collections.none")}
        testId="collection-list"
        columns={[
          {
            title: t("collections.field.title"),
            cell: (row) => <a href={addressOf(row.slug)}>{row.title}</a>,
          },
          {
            title: t("collections.field.documents"),
            cell: (row) => count(row.documents),
            numeric: true,
          },
          {
            title: t("collections.field.passages"),
            cell: (row) => count(row.passages),
            numeric: true,
          },
          { title: t("collections.field.level"), cell: (row) => t(`collections.level.${row.level}`) },
          {
            title: t("collections.field.readers"),
            cell: (row) => t(row.public ? "collections.everybody" : "collections.restricted"),
          },
          { title: t("collections.field.role"), cell: (row) => t(`collections.role.${row.role}`) },
        ]}
      />
      {making ? (
        <CollectionForm onSaid={onSaid} onClose={() => setMaking(false)} />
      ) : (
        <div className="buttons">
          <Button type="button" data-testid="add-collection" onClick={() => setMaking(true)}>
            {t("collections.add")}
          </Button>
        </div>
      )}
    </section>
  );
}
