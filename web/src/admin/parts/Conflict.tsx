import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import type { Spec } from "../types";
import { DataTable } from "./DataTable";
import { typedOf, type Field, type Typed } from "./fields";

interface Props {
  fields: readonly Field[];
  /** The object that the form was opened with. */
  opened: Spec;
  /** The object as it is now; null where it is no more. */
  now: Spec | null;
  typed: Typed;
  /** Goes on from what is now, with this typed. */
  onGoOn: (typed: Typed) => void;
}

/** What somebody else has made of an object meanwhile, beside what is typed; and how to go on. */
export function Conflict({ fields, opened, now, typed, onGoOn }: Props) {
  const { t } = useTranslation();
  if (now === null) {
    return (
      <div className="part conflict" data-testid="conflict">
        <p>{t("admin.conflict.gone")}</p>
        <Button type="button" variant="bordered" data-testid="conflict-anew" onClick={() => onGoOn(typed)}>
          {t("admin.conflict.anew")}
        </Button>
      </div>
    );
  }
  const [then, present] = [typedOf(fields, opened), typedOf(fields, now)];
  const merged = mergedTyped(fields, then, present, typed);
  const rows = fields.filter((field) => then[field.name] !== present[field.name]);
  const shown = (field: Field, text: string | undefined) => {
    if (field.kind === "flag") return t(text ? "admin.yes" : "admin.no");
    if (!text) return t("admin.none");
    return field.kind === "choice" ? t(`admin.option.${text}`, { defaultValue: text }) : text;
  };
  return (
    <div className="part conflict" data-testid="conflict">
      <DataTable
        caption={t("admin.conflict.caption")}
        rows={rows}
        rowKey={(field) => field.name}
        empty={t("admin.conflict.same")}
        columns={[
          { title: t("admin.conflict.field"), cell: (field) => t(`admin.field.${field.name}`) },
          { title: t("admin.conflict.opened"), cell: (field) => shown(field, then[field.name]) },
          { title: t("admin.conflict.now"), cell: (field) => shown(field, present[field.name]) },
          { title: t("admin.conflict.mine"), cell: (field) => shown(field, typed[field.name]) },
        ]}
      />
      <div className="buttons">
        <Button type="button" data-testid="conflict-merge" onClick={() => onGoOn(merged)}>
          {t("admin.conflict.merge")}
        </Button>
        <Button
          type="button"
          variant="bordered"
          data-testid="conflict-take"
          onClick={() => onGoOn(present)}
        >
          {t("admin.conflict.take")}
        </Button>
      </div>
    </div>
  );
}

/** What was typed where it was changed, and what is now elsewhere. */
export function mergedTyped(
  fields: readonly Field[],
  then: Typed,
  now: Typed,
  typed: Typed,
): Typed {
  return Object.fromEntries(
    fields.map(({ name, kind }) => {
      const mine = typed[name] ?? "";
      const untouched = kind !== "secret" && mine === (then[name] ?? "");
      return [name, untouched ? (now[name] ?? "") : mine];
    }),
  );
}
