import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useId, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { readKey, writeKey } from "./key";

/** Asks for an API key, kept in this tab only. */
export function KeyForm({ onSaved }: { onSaved: () => void }) {
  const { t } = useTranslation();
  const id = useId();
  const [key, setKey] = useState("");
  const [refused] = useState(() => readKey() !== null);
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() === "") return;
    writeKey(key.trim());
    setKey("");
    onSaved();
  };
  return (
    <form className="key" onSubmit={save}>
      <label htmlFor={id}>{t("key.label")}</label>
      <div className="key__row">
        <input
          id={id}
          type="password"
          autoComplete="off"
          spellCheck={false}
          data-testid="key"
          value={key}
          aria-describedby={`${id}-hint`}
          onChange={(event) => setKey(event.target.value)}
        />
        <Button type="submit" variant="bordered">
          {t("key.save")}
        </Button>
      </div>
      <p className="hint" id={`${id}-hint`}>
        {refused && `${t("key.refused")} `}
        {t("key.hint")}
      </p>
    </form>
  );
}
