import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { FailureNotice } from "../../layout/FailureNotice";
import type { Spec } from "../types";
import { FieldInput } from "./FieldInput";
import { errorsOf, specOf, typedOf, type Field, type FieldError, type Typed } from "./fields";
import type { Action } from "./useAction";

interface Props {
  title: string;
  /** Under which what is typed is kept. */
  name: string;
  fields: readonly Field[];
  /** The object to change; without one, a new one. */
  before?: Spec;
  /** What a new one has until told otherwise. */
  defaults?: Spec;
  action: Action;
  onSave: (spec: Spec) => Promise<boolean>;
  onClose: () => void;
}

const place = (name: string) => `chappe.admin.${name}`;

/** Describes one object. What is typed stays across errors and reloads, secrets excepted. */
export function SpecForm({ title, name, fields, before, defaults, action, onSave, onClose }: Props) {
  const { t } = useTranslation();
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const [typed, setTyped] = useState<Typed>(() => {
    const kept = sessionStorage.getItem(place(name));
    return { ...typedOf(fields, before ?? defaults ?? {}), ...(kept ? JSON.parse(kept) : {}) };
  });
  const [errors, setErrors] = useState<Record<string, FieldError>>({});

  useEffect(() => heading.current?.focus(), []);

  const change = (field: Field, value: string) => {
    const next = { ...typed, [field.name]: value };
    setTyped(next);
    const kept = Object.fromEntries(
      fields.flatMap((each) => (each.kind === "secret" ? [] : [[each.name, next[each.name]]])),
    );
    sessionStorage.setItem(place(name), JSON.stringify(kept));
  };
  const close = () => {
    sessionStorage.removeItem(place(name));
    onClose();
  };
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const found = errorsOf(fields, typed);
    setErrors(found);
    const first = fields.find((field) => found[field.name]);
    if (first) {
      const input = form.current?.querySelector<HTMLElement>(`[name="${first.name}"]`);
      const folded = input?.closest("details");
      if (folded) folded.open = true;
      input?.focus();
    } else if (await onSave(specOf(fields, typed, before))) close();
  };
  const inputs = (more: boolean) =>
    fields
      .filter((field) => (field.more ?? false) === more)
      .map((field) => (
        <FieldInput
          key={field.name}
          field={field}
          value={typed[field.name] ?? ""}
          error={errors[field.name] ?? null}
          readOnly={before !== undefined && (field.identity ?? false)}
          onChange={(value) => change(field, value)}
        />
      ));

  return (
    <form ref={form} className="card" aria-labelledby={id} noValidate onSubmit={save} data-testid={`form-${name}`}>
      <h4 id={id} ref={heading} tabIndex={-1}>
        {title}
      </h4>
      <div className="fields">{inputs(false)}</div>
      {fields.some((field) => field.more) && (
        <details>
          <summary>{t("admin.more")}</summary>
          <div className="fields">{inputs(true)}</div>
        </details>
      )}
      {action.failure && <FailureNotice topic="administration" failure={action.failure} />}
      <div className="buttons">
        <Button type="submit" data-testid="save" aria-disabled={action.busy}>
          {t("admin.save")}
        </Button>
        <Button type="button" variant="bordered" onClick={close}>
          {t("admin.cancel")}
        </Button>
      </div>
    </form>
  );
}
