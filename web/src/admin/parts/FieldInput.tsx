import { useId } from "react";
import { useTranslation } from "react-i18next";
import type { Field, FieldError } from "./fields";

/** Forms that the server reads, the same in every language. */
const FORMS = {
  url: "http://gpu1:8000/v1",
  grants: "organisation:SLUG, group:SLUG/GROUP, key:ID",
  subjects: "installation, model, organisation:SLUG, person:SLUG/NAME, key:ID",
};

interface Props {
  field: Field;
  value: string;
  error: FieldError | null;
  readOnly: boolean;
  onChange: (value: string) => void;
}

/** A labelled field, with its hint and what is wrong with it. */
export function FieldInput({ field, value, error, readOnly, onChange }: Props) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const hint = i18n.exists(`admin.hint.${field.name}`) ? t(`admin.hint.${field.name}`, FORMS) : null;
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const label = t(`admin.field.${field.name}`);
  const common = {
    id,
    name: field.name,
    ...(described ? { "aria-describedby": described } : {}),
    ...(error ? { "aria-invalid": true } : {}),
  };

  const option = (each: string) =>
    each === "" ? t("admin.none") : t(`admin.option.${each}`, { defaultValue: each });

  const input = () => {
    switch (field.kind) {
      case "choice":
        if (readOnly) return <input {...common} readOnly value={option(value)} />;
        return (
          <select {...common} value={value} onChange={(event) => onChange(event.target.value)}>
            {field.optional && <option value="">{t("admin.none")}</option>}
            {(field.options ?? []).map((each) => (
              <option key={each} value={each}>
                {option(each)}
              </option>
            ))}
          </select>
        );
      case "list":
      case "pairs":
      case "json":
        return (
          <textarea
            {...common}
            rows={field.kind === "list" ? 1 : 3}
            spellCheck={false}
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
        );
      default:
        return (
          <>
            <input
              {...common}
              type={field.kind === "secret" ? "password" : "text"}
              inputMode={field.kind === "number" ? "decimal" : undefined}
              autoComplete="off"
              spellCheck={false}
              required={field.required}
              readOnly={readOnly}
              list={field.suggestions ? `${id}-list` : undefined}
              value={value}
              onChange={(event) => onChange(event.target.value)}
            />
            {field.suggestions && (
              <datalist id={`${id}-list`}>
                {field.suggestions.map((each) => (
                  <option key={each} value={each} />
                ))}
              </datalist>
            )}
          </>
        );
    }
  };

  if (field.kind === "set") {
    const chosen = value.split(", ").filter(Boolean);
    return (
      <fieldset className="field field--set">
        <legend>{label}</legend>
        {(field.options ?? []).map((each) => (
          <div key={each} className="field--flag">
            <input
              id={`${id}-${each}`}
              name={field.name}
              type="checkbox"
              checked={chosen.includes(each)}
              onChange={(event) =>
                onChange(
                  (field.options ?? [])
                    .filter((one) => (one === each ? event.target.checked : chosen.includes(one)))
                    .join(", "),
                )
              }
            />
            <label htmlFor={`${id}-${each}`}>{option(each)}</label>
          </div>
        ))}
        {error && <p className="field__error">{t(`admin.fieldError.${error}`)}</p>}
      </fieldset>
    );
  }
  if (field.kind === "flag") {
    return (
      <div className="field field--flag">
        <input
          {...common}
          type="checkbox"
          checked={value === "true"}
          onChange={(event) => onChange(event.target.checked ? "true" : "")}
        />
        <label htmlFor={id}>{label}</label>
        {hint && (
          <p className="hint" id={`${id}-hint`}>
            {hint}
          </p>
        )}
      </div>
    );
  }
  return (
    <div className={`field field--${field.kind}`}>
      <label htmlFor={id}>
        {label}
        {field.required && ` ${t("admin.required")}`}
      </label>
      {input()}
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p className="field__error" id={`${id}-error`}>
          {t(`admin.fieldError.${error}`)}
        </p>
      )}
    </div>
  );
}
