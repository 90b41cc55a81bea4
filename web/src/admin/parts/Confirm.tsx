import { Button } from "@gouvfr-lasuite/cunningham-react";
import { createContext, useCallback, useEffect, useId, useRef, useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

export interface Question {
  title: string;
  text: string;
  /** What the button that goes ahead says. */
  action: string;
}

/** Asks before something that can't be undone; gives whether to go ahead. */
export const Confirm = createContext<(question: Question) => Promise<boolean>>(async () => false);

/** Holds the dialogue that asks; the element that had the focus gets it back. */
export function ConfirmProvider({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const [asked, setAsked] = useState<{ question: Question; answer: (yes: boolean) => void } | null>(
    null,
  );
  const ask = useCallback(
    (question: Question) =>
      new Promise<boolean>((answer) => setAsked({ question, answer })),
    [],
  );
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  const close = (yes: boolean) => {
    dialog.current?.close();
    asked?.answer(yes);
    setAsked(null);
  };
  return (
    <Confirm.Provider value={ask}>
      {children}
      {asked && (
        <dialog
          ref={dialog}
          className="confirm"
          aria-labelledby={`${id}-title`}
          aria-describedby={`${id}-text`}
          data-testid="confirm"
          onCancel={(event) => {
            event.preventDefault();
            close(false);
          }}
        >
          <h2 id={`${id}-title`}>{asked.question.title}</h2>
          <p id={`${id}-text`}>{asked.question.text}</p>
          <div className="buttons">
            <Button type="button" variant="bordered" onClick={() => close(false)}>
              {t("admin.cancel")}
            </Button>
            <Button type="button" data-testid="confirm-yes" onClick={() => close(true)}>
              {asked.question.action}
            </Button>
          </div>
        </dialog>
      )}
    </Confirm.Provider>
  );
}
