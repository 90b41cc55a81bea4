import { useTranslation } from "react-i18next";
import { formatDate } from "../i18n/format";
import type { Turn } from "./turn";

/** What was searched, where it isn't the question as it was typed; and the day whose law is asked. */
export function SearchedFor({ turn: { question, searched } }: { turn: Turn }) {
  const { t, i18n } = useTranslation();
  if (!searched) return null;
  const differs = searched.question.trim() !== question.trim();
  const dated = searched.date_origin !== "today";
  if (!differs && !dated) return null;
  return (
    <p className="hint" data-testid="searched">
      {differs && t("answer.searched", { question: searched.question })}
      {differs && dated && " "}
      {dated && t("answer.lawOf", { date: formatDate(searched.date, i18n.language) })}
    </p>
  );
}
