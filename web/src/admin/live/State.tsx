import { useTranslation } from "react-i18next";

const TONES: Record<string, string> = {
  healthy: "good",
  active: "good",
  done: "good",
  ejected: "bad",
  refused: "bad",
  retired: "bad",
  revoked: "bad",
  expired: "bad",
};

/** A state in a word, with a shape of its own beside its colour. */
export function State({ state }: { state: string }) {
  const { t } = useTranslation();
  return <span className={`state state--${TONES[state] ?? "other"}`}>{t(`admin.option.${state}`)}</span>;
}
