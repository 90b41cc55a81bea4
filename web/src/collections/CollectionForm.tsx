import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { callJson } from "../api/client";
import { asFailure, type Failure } from "../api/failure";
import { FailureNotice } from "../layout/FailureNotice";
import { addressOf } from "./place";
import { slugOf } from "./slug";
import type { Collection } from "./types";
import { COLLECTIONS } from "./useCollections";

const LEVELS = [0, 1, 2] as const;

interface Props {
  onSaid: (text: string) => void;
  onClose: () => void;
}

/** Makes a collection, then leads to it. */
export function CollectionForm({ onSaid, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [title, setTitle] = useState("");
  const [description, setDescription] = useState("");
  const [level, setLevel] = useState(0);
  const [empty, setEmpty] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => field.current?.focus(), []);

  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    const slug = slugOf(title);
    setEmpty(slug === "");
    if (slug === "") {
      field.current?.focus();
      return;
    }
    setBusy(true);
    setFailure(null);
    try {
      const made = await callJson<Collection>("/api/collections", i18n.language, {
        method: "POST",
        body: { slug, title: title.trim(), description: description.trim(), level },
      });
      await Promise.all([
        client.invalidateQueries({ queryKey: [COLLECTIONS] }),
        client.invalidateQueries({ queryKey: ["status"] }),
      ]);
      onSaid(t("collections.made", { title: made.title }));
      location.hash = addressOf(made.slug);
    } catch (error) {
      setFailure(asFailure(error));
      setBusy(false);
    }
  };

  return (
    <form className="card" aria-labelledby={`${id}-h`} noValidate onSubmit={save} data-testid="collection-form">
      <h3 id={`${id}-h`}>{t("collections.add")}</h3>
      <div className="field">
        <label htmlFor={`${id}-title`}>{t("collections.field.title")}</label>
        <input
          id={`${id}-title`}
          name="title"
          ref={field}
          value={title}
          required
          maxLength={200}
          aria-invalid={empty}
          aria-describedby={empty ? `${id}-empty` : undefined}
          onChange={(event) => setTitle(event.target.value)}
        />
        {empty && (
          <p id={`${id}-empty`} className="field__error">
            {t("collections.titleNeeded")}
          </p>
        )}
      </div>
      <div className="field">
        <label htmlFor={`${id}-description`}>{t("collections.field.description")}</label>
        <input
          id={`${id}-description`}
          name="description"
          value={description}
          maxLength={1000}
          onChange={(event) => setDescription(event.target.value)}
        />
      </div>
      <div className="field">
        <label htmlFor={`${id}-level`}>{t("collections.field.level")}</label>
        <select
          id={`${id}-level`}
          name="level"
          value={level}
          aria-describedby={`${id}-level-hint`}
          onChange={(event) => setLevel(Number(event.target.value))}
        >
          {LEVELS.map((each) => (
            <option key={each} value={each}>
              {t(`collections.level.${each}`)}
            </option>
          ))}
        </select>
        <p id={`${id}-level-hint`} className="hint">
          {t("collections.levelHint")}
        </p>
      </div>
      {failure && <FailureNotice topic="administration" failure={failure} />}
      <div className="buttons">
        <Button type="submit" data-testid="save-collection" aria-disabled={busy}>
          {t("collections.create")}
        </Button>
        <Button type="button" variant="bordered" onClick={onClose}>
          {t("admin.cancel")}
        </Button>
      </div>
    </form>
  );
}
