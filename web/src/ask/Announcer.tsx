import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { TFunction } from "i18next";
import { CodePointText } from "../text/codepoints";
import { doubtText } from "./doubtText";
import { checkedCount, isRunning, isSetAside, type Turn } from "./turn";

/** How long the spoken copy of an ended answer stays in the page, in milliseconds. */
const LOG_KEPT_MS = 10_000;

function stateOf(turn: Turn, t: TFunction): string {
  switch (turn.phase) {
    case "searching":
      return t("state.searching");
    case "answering":
      return t("state.answering");
    case "stopped":
      return t("state.stopped");
    case "failed":
      return "";
    case "done":
      if (turn.done?.status === "no_sources") return t("answer.noSources");
      if (isSetAside(turn)) {
        const key = turn.extracts?.reason === "no_model" ? "state.extracts" : "state.setAside";
        return t(key, { count: turn.extracts?.extracts.length ?? 0 });
      }
      return t("state.done", { count: checkedCount(turn) });
  }
}

/**
 * What a screen reader hears of the newest answer: its state, and its sentences one by one once
 * judged, never its tokens. Both regions stay in the page so that their changes are noticed.
 */
export function Announcer({ turn }: { turn: Turn | null }) {
  const { t } = useTranslation();
  const [silentId, setSilentId] = useState<number | null>(null);
  const ended = turn !== null && !isRunning(turn);
  const id = turn?.id ?? null;

  useEffect(() => {
    if (!ended) return;
    const timer = setTimeout(() => setSilentId(id), LOG_KEPT_MS);
    return () => clearTimeout(timer);
  }, [ended, id]);

  const text = new CodePointText(turn?.text ?? "");
  return (
    <div className="visually-hidden">
      <p role="status" data-testid="status">
        {turn ? stateOf(turn, t) : ""}
      </p>
      <div role="log" aria-live="polite" aria-label={t("state.log")} data-testid="spoken-answer">
        {turn &&
          turn.id !== silentId &&
          turn.sentences.map((sentence, index) => (
            <p key={`${turn.id}-${index}`}>
              {text.slice(sentence)}
              {(sentence.status === "unsupported" || sentence.status === "partly") &&
                ` (${doubtText({ status: sentence.status, missing: sentence.missing ?? [] }, t)})`}
            </p>
          ))}
      </div>
    </div>
  );
}
