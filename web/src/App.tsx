import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { readKey } from "./access/key";
import { KeyForm } from "./access/KeyForm";
import { asFailure } from "./api/failure";
import { Announcer } from "./ask/Announcer";
import { useDraft } from "./ask/draft";
import { CollectionChoice, useChosenCollections } from "./ask/CollectionChoice";
import { Examples } from "./ask/Examples";
import { QuestionForm } from "./ask/QuestionForm";
import { TurnView } from "./ask/TurnView";
import { useConversation } from "./ask/useConversation";
import { LoadProgress } from "./corpus/LoadProgress";
import { useStatus } from "./corpus/useStatus";
import { FailureNotice } from "./layout/FailureNotice";
import { Footer } from "./layout/Footer";
import { Header } from "./layout/Header";
import { Notice } from "./layout/Notice";
import { useMediaQuery } from "./layout/useMediaQuery";
import { SourcePanel } from "./sources/SourcePanel";
import type { SourceTarget } from "./sources/target";

export function App() {
  const { t, i18n } = useTranslation();
  const status = useStatus(i18n.language);
  const [chosen, setChosen] = useChosenCollections();
  const { turns, running, send, stopAnswer, clear } = useConversation(i18n.language, chosen);
  const [draft, setDraft] = useDraft();
  const [target, setTarget] = useState<SourceTarget | null>(null);
  const [keySaved, setKeySaved] = useState(() => readKey() !== null);
  const opener = useRef<Element | null>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const covering = useMediaQuery("(max-width: 63.99rem)");
  const newest = turns.at(-1) ?? null;

  const openSource = useCallback((next: SourceTarget) => {
    const active = document.activeElement;
    // A reference followed from inside the panel must not replace the one that opened it.
    if (!active?.closest(".panel")) opener.current = active;
    setTarget(next);
  }, []);
  const closeSource = useCallback(() => setTarget(null), []);

  const open = target !== null;
  const wasOpen = useRef(false);
  useEffect(() => {
    if (wasOpen.current && !open) {
      const back = opener.current;
      if (back instanceof HTMLElement && back.isConnected) back.focus();
      else box.current?.focus();
    }
    wasOpen.current = open;
  }, [open]);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      if (open) closeSource();
      else stopAnswer();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [open, closeSource, stopAnswer]);

  // The box is emptied only once the server has taken the question, and given it back on failure.
  const phase = newest?.phase;
  const question = newest?.question;
  const draftNow = useRef(draft);
  draftNow.current = draft;
  useEffect(() => {
    if (question === undefined) return;
    if (phase !== "searching" && phase !== "failed" && phase !== "stopped") {
      if (draftNow.current.trim() === question) setDraft("");
    } else if (phase === "failed" && draftNow.current === "") {
      setDraft(question);
    }
  }, [phase, question, setDraft]);

  const covered = open && covering;
  const needsKey = status.data?.anonymous === false && !keySaved;
  return (
    <>
      <div className="page" inert={covered}>
        <a className="skip" href="#main">
          {t("skip")}
        </a>
        <Header />
        <main id="main" tabIndex={-1} className="main">
          <QuestionForm
            draft={draft}
            onDraft={setDraft}
            onSend={send}
            busy={running !== null}
            boxRef={box}
          />
          <CollectionChoice
            collections={status.data?.collections ?? []}
            chosen={chosen}
            onChoose={setChosen}
          />
          {needsKey && (
            <KeyForm
              onSaved={() => {
                setKeySaved(true);
                void status.refetch();
              }}
            />
          )}
          {status.error && !newest?.failure && <FailureNotice failure={asFailure(status.error)} />}
          {status.data?.model === null && <Notice tone="warning">{t("model.none")}</Notice>}
          {status.data?.model?.state === "starting" && (
            <Notice tone="info">{t("model.starting")}</Notice>
          )}
          {status.data?.model?.state === "failed" && (
            <Notice tone="warning">{t("model.failed")}</Notice>
          )}
          {turns.length === 0 && (
            <Examples
              onChoose={(text) => {
                setDraft(text);
                send(text);
              }}
            />
          )}
          {turns.length > 0 && (
            <section className="turns" aria-labelledby="answers">
              <h2 id="answers" className="visually-hidden">
                {t("answer.title")}
              </h2>
              <div className="turns__bar">
                <Button
                  type="button"
                  variant="bordered"
                  size="small"
                  data-testid="new-conversation"
                  onClick={() => {
                    clear();
                    box.current?.focus();
                  }}
                >
                  {t("answer.anew")}
                </Button>
              </div>
              {[...turns].reverse().map((turn) => (
                <TurnView
                  key={turn.id}
                  turn={turn}
                  newest={turn === newest}
                  weakModel={status.data?.model?.weak ?? false}
                  keyAsked={needsKey}
                  onOpen={openSource}
                  onStop={stopAnswer}
                  onRetry={send}
                />
              ))}
            </section>
          )}
          <LoadProgress loads={status.data?.loads ?? []} />
          <Announcer turn={newest} />
        </main>
        <Footer status={status.data} />
      </div>
      {target && <SourcePanel target={target} covering={covering} onClose={closeSource} />}
    </>
  );
}
