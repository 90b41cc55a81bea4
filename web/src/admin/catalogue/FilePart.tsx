import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useContext, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { callJson } from "../../api/client";
import { FailureNotice } from "../../layout/FailureNotice";
import { Confirm } from "../parts/Confirm";
import { DataTable } from "../parts/DataTable";
import { useAction } from "../parts/useAction";
import { useKept } from "../parts/useKept";
import type { Change } from "../types";
import { shownValue } from "./change";

/** What a plan was made of: it holds for this and nothing else. */
interface Plan {
  toml: string;
  prune: boolean;
  changes: Change[];
}

/** The declarative file: compared with the catalogue first, then made so. */
export function FilePart() {
  const { t, i18n } = useTranslation();
  const id = useId();
  const confirm = useContext(Confirm);
  const action = useAction();
  // A file may hold secrets, so it isn't kept beyond this page.
  const [toml, setToml] = useState("");
  const [prune, setPrune] = useKept("file.prune", false);
  const [plan, setPlan] = useState<Plan | null>(null);
  const current = plan?.toml === toml && plan.prune === prune ? plan : null;

  const send = (dryRun: boolean) =>
    callJson<Change[]>("/api/admin/apply", i18n.language, {
      method: "POST",
      body: { toml, prune, dry_run: dryRun },
    });
  const compare = () =>
    action.run(async () => {
      const changes = await send(true);
      setPlan({ toml, prune, changes });
    }, t("admin.done.compared"));
  const apply = async () => {
    if (!current) return;
    const removed = current.changes.filter((change) => change.act === "remove");
    if (removed.length > 0) {
      const sure = await confirm({
        title: t("admin.file.sure", { count: removed.length }),
        text: removed.map((change) => change.name).join(", "),
        action: t("admin.file.apply"),
      });
      if (!sure) return;
    }
    await action.run(async () => {
      await send(false);
      setPlan(null);
    }, t("admin.done.applied"));
  };

  return (
    <section className="part" aria-labelledby={`${id}-title`} data-testid="file">
      <h3 id={`${id}-title`}>{t("admin.file.title")}</h3>
      <div className="field">
        <label htmlFor={id}>{t("admin.file.label")}</label>
        <textarea
          id={id}
          className="code"
          rows={10}
          spellCheck={false}
          aria-describedby={`${id}-hint`}
          data-testid="toml"
          value={toml}
          onChange={(event) => setToml(event.target.value)}
        />
        <p className="hint" id={`${id}-hint`}>
          {t("admin.file.hint")}
        </p>
      </div>
      <div className="field field--flag">
        <input
          id={`${id}-prune`}
          type="checkbox"
          checked={prune}
          onChange={(event) => setPrune(event.target.checked)}
        />
        <label htmlFor={`${id}-prune`}>{t("admin.file.prune")}</label>
      </div>
      {action.failure && <FailureNotice topic="administration" failure={action.failure} />}
      <div className="buttons">
        <Button
          type="button"
          variant="bordered"
          data-testid="compare"
          aria-disabled={action.busy || toml.trim() === ""}
          onClick={() => {
            if (toml.trim()) void compare();
          }}
        >
          {t("admin.file.compare")}
        </Button>
        {current && current.changes.length > 0 && (
          <Button
            type="button"
            data-testid="apply"
            aria-disabled={action.busy}
            onClick={() => void apply()}
          >
            {t("admin.file.applyCount", { count: current.changes.length })}
          </Button>
        )}
      </div>
      {current && (
        <DataTable
          caption={t("admin.file.plan")}
          testId="plan"
          rows={current.changes}
          rowKey={(row) => `${row.kind} ${row.name}`}
          empty={t("admin.file.same")}
          columns={[
            {
              title: t("admin.file.what"),
              cell: (row) => `${t(`admin.file.kind.${row.kind}`)} ${row.name}`,
            },
            { title: t("admin.file.act"), cell: (row) => t(`admin.file.acts.${row.act}`) },
            {
              title: t("admin.file.fields"),
              cell: (row) => (
                <ul className="plain">
                  {Object.entries(row.fields).map(([name, [before, after]]) => (
                    <li key={name}>
                      {name}
                      {row.act === "update" && ` ${shownValue(before)} →`} {shownValue(after)}
                    </li>
                  ))}
                </ul>
              ),
            },
          ]}
        />
      )}
    </section>
  );
}
