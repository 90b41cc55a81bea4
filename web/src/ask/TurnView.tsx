import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useEffect, useLayoutEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { isUnauthorised } from "../api/failure";
import type { Choice } from "../api/types";
import { KeyForm } from "../access/KeyForm";
import { FailureNotice } from "../layout/FailureNotice";
import { Notice } from "../layout/Notice";
import type { OpenSource } from "../sources/target";
import { AnswerText } from "./AnswerText";
import { CitationNotes } from "./CitationNotes";
import { Choices } from "./Choices";
import { ClosestList } from "./ClosestList";
import { ExtractList } from "./ExtractList";
import { SearchedFor } from "./SearchedFor";
import { SourceList } from "./SourceList";
import { checkedCount, citationsOf, hasUnverifiedEnd, isRunning, isSetAside, type Turn } from "./turn";

interface Props {
  turn: Turn;
  newest: boolean;
  weakModel: boolean;
  /** True when the page already asks for a key elsewhere. */
  keyAsked: boolean;
  onOpen: OpenSource;
  onStop: () => void;
  /** Asks again, with the case that the reader says to be theirs where one is chosen. */
  onRetry: (question: string, chosen?: Choice | null) => void;
}

/** A question and its answer. The newest one takes the focus when it appears. */
export function TurnView({ turn, newest, weakModel, keyAsked, onOpen, onStop, onRetry }: Props) {
  const { t } = useTranslation();
  const heading = useRef<HTMLHeadingElement>(null);
  const running = isRunning(turn);
  const aside = isSetAside(turn);
  const unverified = !aside && hasUnverifiedEnd(turn);

  useEffect(() => heading.current?.focus(), []);
  useLayoutEffect(() => {
    // The stop button has just gone: its focus must not fall back to the top of the page.
    if (!running && document.activeElement === document.body) {
      heading.current?.focus({ preventScroll: true });
    }
  }, [running]);

  const answer = (
    <>
      <AnswerText
        text={turn.text}
        sentences={turn.sentences}
        sources={turn.sources}
        onOpen={onOpen}
      />
      <CitationNotes citations={citationsOf(turn)} />
    </>
  );

  return (
    <article className="turn" aria-labelledby={`turn-${turn.id}`}>
      <h3 className="turn__question" id={`turn-${turn.id}`} ref={heading} tabIndex={-1}>
        <span className="visually-hidden">{t("answer.question")}</span>
        {turn.question}
        {turn.chosen && <span className="turn__case"> ({turn.chosen.label})</span>}
      </h3>
      <div className="turn__answer" data-testid="answer" data-phase={turn.phase} aria-busy={running}>
        {running && (
          <div className="turn__progress">
            <p>
              <span className="spinner" aria-hidden="true" />
              {t(turn.phase === "searching" ? "state.searching" : "state.answering")}
            </p>
            <Button
              type="button"
              variant="bordered"
              size="small"
              data-testid="stop"
              onClick={onStop}
            >
              {t("answer.stop")}
            </Button>
          </div>
        )}
        <SearchedFor turn={turn} />
        {turn.warnings.length > 0 && (
          <Notice tone="warning">
            {t("answer.orders", {
              titles: [
                ...new Set(
                  turn.warnings.map(
                    ({ number }) =>
                      turn.sources.find((source) => source.number === number)?.document.title ??
                      String(number),
                  ),
                ),
              ].join(", "),
            })}
          </Notice>
        )}
        {turn.clarification && (
          <Choices
            clarification={turn.clarification}
            busy={running}
            onChoose={(choice) => onRetry(turn.question, choice)}
          />
        )}
        {aside && <Notice tone="warning">{t(`setAside.${turn.extracts?.reason ?? "unsupported"}`)}</Notice>}
        {turn.extracts && <ExtractList extracts={turn.extracts} onOpen={onOpen} />}
        {turn.text !== "" &&
          (aside ? (
            <details className="draft">
              <summary>{t("answer.draft")}</summary>
              {answer}
            </details>
          ) : (
            answer
          ))}
        {running && turn.text !== "" && <p className="hint">{t("answer.pending")}</p>}
        {turn.phase === "stopped" && <Notice tone="info">{t("answer.stopped")}{unverified && ` ${t("answer.unverified")}`}</Notice>}
        {turn.done?.status === "no_sources" && <Notice tone="info">{t("answer.noSources")}</Notice>}
        {turn.done?.status === "no_answer" && (
          <>
            <Notice tone="info">{t("answer.noAnswer")}</Notice>
            <ClosestList documents={turn.closest} onOpen={onOpen} />
          </>
        )}
        {turn.done?.status === "partly_supported" && (
          <Notice tone="warning">{t("answer.partly")}</Notice>
        )}
        {(turn.done?.truncated || turn.done?.status === "truncated") && (
          <Notice tone="warning">{t("answer.truncated")}</Notice>
        )}
        {turn.failure && (
          <FailureNotice
            failure={turn.failure}
            partial={turn.text !== ""}
            unverified={unverified}
            {...(newest ? { onRetry: () => onRetry(turn.question, turn.chosen) } : {})}
          />
        )}
        {turn.failure && newest && !keyAsked && isUnauthorised(turn.failure) && (
          <KeyForm onSaved={() => onRetry(turn.question, turn.chosen)} />
        )}
        {turn.phase === "done" && !aside && turn.text !== "" && (
          <p className="verdict">
            {t("answer.checked", { count: checkedCount(turn) })}
            {weakModel && <> {t("answer.weak")}</>}
          </p>
        )}
        <SourceList sources={turn.sources} onOpen={onOpen} />
      </div>
    </article>
  );
}
