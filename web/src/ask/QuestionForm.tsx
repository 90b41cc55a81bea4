import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useId, type FormEvent, type KeyboardEvent, type Ref } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  draft: string;
  onDraft: (text: string) => void;
  onSend: (question: string) => void;
  busy: boolean;
  boxRef: Ref<HTMLTextAreaElement>;
}

/** Where a question is typed. Enter sends, Shift+Enter starts a new line. */
export function QuestionForm({ draft, onDraft, onSend, busy, boxRef }: Props) {
  const { t } = useTranslation();
  const id = useId();
  const canSend = draft.trim() !== "" && !busy;

  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (canSend) onSend(draft.trim());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };

  return (
    <form className="question" onSubmit={submit}>
      <label className="question__label" htmlFor={id}>
        {t("question.label")}
      </label>
      <textarea
        ref={boxRef}
        id={id}
        data-testid="question"
        className="question__box"
        rows={3}
        value={draft}
        aria-describedby={`${id}-hint`}
        onChange={(event) => onDraft(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="question__foot">
        <p className="hint" id={`${id}-hint`}>
          {busy ? t("question.busy") : t("question.hint")}
        </p>
        <Button type="submit" data-testid="send" aria-disabled={!canSend}>
          {t("question.send")}
        </Button>
      </div>
    </form>
  );
}
