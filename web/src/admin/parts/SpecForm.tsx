import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { failureCode } from "../../api/failure";
import { FailureNotice } from "../../layout/FailureNotice";
import type { Seen, Spec } from "../types";
import { Conflict } from "./Conflict";
import { FieldInput } from "./FieldInput";
import { errorsOf, specOf, typedOf, type Field, type FieldError, type Typed } from "./fields";
import { forget, keep, readKept } from "./kept";
import { CHANGED, type Action } from "./useAction";

/** What a form was opened with: an object (none for a new one) and its version. */
interface Opened {
  before?: Spec | undefined;
  seen?: Seen;
}

interface Props {
  title: string;
  /** Under which what is typed is kept. */
  name: string;
  fields: readonly Field[];
  /** The object to change, as it is now or was last; without one, a new one. */
  before?: Spec | undefined;
  /** Its version now; null where there is no such object. */
  seen?: Seen;
  /** What a new one has until told otherwise. */
  defaults?: Spec;
  action: Action;
  /** Saves it over the version that the form was opened with. */
  onSave: (spec: Spec, seen: Seen) => Promise<boolean>;
  onClose: () => void;
}

/**
 * Describes one object. What is typed stays across errors and reloads, secrets excepted. It changes
 * the version that it was opened with: where that isn't the present one, it says so and goes on
 * from there only when told to.
 */
export function SpecForm(props: Props) {
  const { title, name, fields, before, seen, defaults, action, onSave, onClose } = props;
  const { t } = useTranslation();
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const [kept] = useState(() => readKept(name));
  const [opened, setOpened] = useState<Opened>(
    kept ? { before: kept.before, seen: kept.seen } : { before, seen },
  );
  const [typed, setTyped] = useState<Typed>(() => ({
    ...typedOf(fields, opened.before ?? defaults ?? {}),
    ...kept?.typed,
  }));
  const [errors, setErrors] = useState<Record<string, FieldError>>({});
  const changed = failureCode(action.failure) === CHANGED;

  useEffect(() => heading.current?.focus(), []);

  const use = (next: Typed, from: Opened) => {
    setTyped(next);
    setOpened(from);
    const told = fields.flatMap((each) =>
      each.kind === "secret" ? [] : [[each.name, next[each.name] ?? ""]],
    );
    keep(name, { typed: Object.fromEntries(told) as Typed, ...from });
  };
  const change = (field: Field, value: string) => use({ ...typed, [field.name]: value }, opened);
  const goOn = (next: Typed) => {
    use(next, { before, seen });
    action.settle(t("admin.conflict.taken"));
    heading.current?.focus();
  };
  const close = () => {
    forget(name);
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
    } else if (await onSave(specOf(fields, typed, opened.before), opened.seen)) close();
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
          readOnly={opened.before !== undefined && (field.identity ?? false)}
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
      {changed && (
        <Conflict
          fields={fields}
          opened={opened.before ?? {}}
          now={seen === null ? null : (before ?? {})}
          typed={typed}
          onGoOn={goOn}
        />
      )}
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
