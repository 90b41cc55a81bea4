import { useId, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useAdmin } from "../parts/useAdmin";
import type { UsageReport } from "../types";
import { FILTERS, OUTCOMES, valuesQuery, type Chosen } from "./query";

const BY = ["model", "organisation", "key", "person", "endpoint", "site", "outcome"] as const;
const PER = ["", "hour", "day", "month"] as const;

interface Props {
  chosen: Chosen;
  onChange: (chosen: Chosen) => void;
  /** The element that says what is wrong with the two dates, if something is. */
  datesError?: string;
}

/** Which accounts are shown, and how they are grouped; each change counts at once. */
export function Filters({ chosen, onChange, datesError }: Props) {
  const { t } = useTranslation();
  const invalid = datesError ? { "aria-invalid": true, "aria-describedby": datesError } : {};
  const set = (part: Partial<Chosen>) => onChange({ ...chosen, ...part });
  return (
    <fieldset className="filters">
      <legend>{t("admin.usage.filters")}</legend>
      <Labelled label={t("admin.usage.from")}>
        {(id) => (
          <input
            id={id}
            type="date"
            {...invalid}
            value={chosen.from}
            onChange={(event) => set({ from: event.target.value })}
          />
        )}
      </Labelled>
      <Labelled label={t("admin.usage.to")}>
        {(id) => (
          <input
            id={id}
            type="date"
            {...invalid}
            value={chosen.to}
            onChange={(event) => set({ to: event.target.value })}
          />
        )}
      </Labelled>
      <Labelled label={t("admin.usage.by")}>
        {(id) => (
          <select
            id={id}
            data-testid="by"
            value={chosen.by}
            onChange={(event) => set({ by: event.target.value as Chosen["by"] })}
          >
            {BY.map((each) => (
              <option key={each} value={each}>
                {t(`admin.field.${each}`)}
              </option>
            ))}
          </select>
        )}
      </Labelled>
      <Labelled label={t("admin.usage.per")}>
        {(id) => (
          <select
            id={id}
            data-testid="per"
            value={chosen.per}
            onChange={(event) => set({ per: event.target.value as Chosen["per"] })}
          >
            {PER.map((each) => (
              <option key={each} value={each}>
                {t(each ? `admin.option.${each}` : "admin.usage.whole")}
              </option>
            ))}
          </select>
        )}
      </Labelled>
      {FILTERS.map((name) => (
        <Labelled key={name} label={t(`admin.field.${name}`)}>
          {(id) => <Values id={id} name={name} chosen={chosen} onChange={set} />}
        </Labelled>
      ))}
    </fieldset>
  );
}

function Labelled({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  );
}

interface ValuesProps {
  id: string;
  name: (typeof FILTERS)[number];
  chosen: Chosen;
  onChange: (part: Partial<Chosen>) => void;
}

/** The values that occur in the chosen days; outcomes are known beforehand. */
function Values({ id, name, chosen, onChange }: ValuesProps) {
  const { t } = useTranslation();
  const fixed = name === "outcome";
  const query = useAdmin<UsageReport>(valuesQuery(chosen, name), { enabled: !fixed });
  const found: [value: string, shown: string][] = fixed
    ? OUTCOMES.map((each) => [each, t(`admin.option.${each}`)])
    : (query.data?.lines ?? []).flatMap((line) => {
        const value = line.groups[name];
        return value ? [[value, line.names[name] ?? value]] : [];
      });
  const value = chosen[name];
  if (value && !found.some(([each]) => each === value)) found.push([value, value]);
  return (
    <select
      id={id}
      data-testid={`filter-${name}`}
      value={value}
      onChange={(event) => onChange({ [name]: event.target.value })}
    >
      <option value="">{t("admin.usage.all")}</option>
      {found.map(([each, shown]) => (
        <option key={each} value={each}>
          {shown}
        </option>
      ))}
    </select>
  );
}
