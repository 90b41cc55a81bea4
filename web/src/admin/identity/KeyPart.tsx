import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useContext, useState } from "react";
import { useTranslation } from "react-i18next";
import { call, callJson } from "../../api/client";
import { formatMoment } from "../../i18n/format";
import { FailureNotice } from "../../layout/FailureNotice";
import { LEVELS } from "../catalogue/fields";
import { State } from "../live/State";
import { Confirm } from "../parts/Confirm";
import { DataTable } from "../parts/DataTable";
import { Reading } from "../parts/Reading";
import { RowButton } from "../parts/RowButton";
import { SpecForm } from "../parts/SpecForm";
import { useAction } from "../parts/useAction";
import { useAdmin } from "../parts/useAdmin";
import { useEditing } from "../parts/useEditing";
import type { Key, OrganisationSpec, Spec } from "../types";
import { keyFields, NEW_KEY } from "./fields";
import { keyState } from "./keyState";
import { NewSecret } from "./NewSecret";

const OLD_SECRET_HOURS = 24;

/** Keys: made and renewed, with a secret that is shown once, and revoked. */
export function KeyPart({ operator }: { operator: boolean }) {
  const { t, i18n } = useTranslation();
  const confirm = useContext(Confirm);
  const query = useAdmin<Key[]>("keys");
  const organisations = useAdmin<OrganisationSpec[]>("organisations");
  const action = useAction();
  const { editing, create, close, heading } = useEditing("key");
  const [made, setMade] = useState<{ name: string; secret: string } | null>(null);
  const [revokedToo, setRevokedToo] = useState(false);
  const moment = (iso: string | null) => (iso ? formatMoment(iso, i18n.language) : t("admin.none"));
  const fields = keyFields((organisations.data ?? []).map((each) => each.slug), operator);

  const save = (spec: Spec) => {
    const level = LEVELS.findIndex((each) => each === spec["level"]);
    return action.run(
      async () => {
        const { key } = await callJson<{ key: string }>("/api/admin/keys", i18n.language, {
          method: "POST",
          body: { ...spec, level },
        });
        setMade({ name: String(spec["name"]), secret: key });
      },
      t("admin.done.keyMade", { name: String(spec["name"]) }),
    );
  };
  const rotate = async (key: Key) => {
    const sure = await confirm({
      title: t("admin.confirm.rotate", { name: key.name }),
      text: t("admin.confirm.rotateText", { hours: OLD_SECRET_HOURS }),
      action: t("admin.keys.rotate"),
    });
    if (!sure) return;
    await action.run(
      async () => {
        const { key: secret } = await callJson<{ key: string }>(
          `/api/admin/keys/${key.id}/rotate`,
          i18n.language,
          { method: "POST", body: { hours: OLD_SECRET_HOURS }, seen: key.etag },
        );
        setMade({ name: key.name, secret });
      },
      t("admin.done.keyMade", { name: key.name }),
    );
  };
  const revoke = async (key: Key) => {
    const sure = await confirm({
      title: t("admin.confirm.revoke", { name: key.name }),
      text: t("admin.confirm.revokeText"),
      action: t("admin.keys.revoke"),
    });
    if (!sure) return;
    const done = await action.run(
      () => call(`/api/admin/keys/${key.id}`, i18n.language, { method: "DELETE" }),
      t("admin.done.revoked", { name: key.name }),
    );
    if (done) heading.current?.focus();
  };

  return (
    <section className="part" aria-label={t("admin.keys.title")} data-testid="keys">
      <h3 ref={heading} tabIndex={-1}>
        {t("admin.keys.title")}
      </h3>
      {action.failure && editing === null && (
        <FailureNotice topic="administration" failure={action.failure} />
      )}
      {made && (
        <NewSecret
          key={made.secret}
          {...made}
          onClose={() => {
            setMade(null);
            heading.current?.focus();
          }}
        />
      )}
      <Reading query={query}>
        {(keys) => (
          <>
            {keys.some((key) => key.revoked_at) && (
              <div className="field field--flag">
                <input
                  id="revoked-too"
                  type="checkbox"
                  checked={revokedToo}
                  onChange={(event) => setRevokedToo(event.target.checked)}
                />
                <label htmlFor="revoked-too">{t("admin.keys.revokedToo")}</label>
              </div>
            )}
            <DataTable
              caption={t("admin.keys.caption")}
              rows={keys.filter((key) => revokedToo || !key.revoked_at)}
              rowKey={(key) => key.id}
              empty={t("admin.keys.none")}
              columns={[
                { title: t("admin.field.name"), cell: (key) => key.name },
                { title: t("admin.keys.start"), cell: (key) => <code>{key.prefix}…</code> },
                { title: t("admin.field.organisation"), cell: (key) => key.organisation },
                { title: t("admin.field.person"), cell: (key) => key.person ?? t("admin.none") },
                {
                  title: t("admin.field.scopes"),
                  cell: (key) => key.scopes.map((each) => t(`admin.option.${each}`)).join(", "),
                },
                {
                  title: t("admin.field.level"),
                  cell: (key) => t(`admin.option.${LEVELS[key.level] ?? "open"}`),
                },
                { title: t("admin.field.status"), cell: (key) => <State state={keyState(key)} /> },
                { title: t("admin.keys.expires"), cell: (key) => moment(key.expires_at) },
                { title: t("admin.keys.used"), cell: (key) => moment(key.last_used_at) },
                {
                  title: t("admin.actions"),
                  cell: (key) =>
                    !key.revoked_at && (
                      <div className="buttons">
                        <RowButton
                          label={t("admin.keys.rotate")}
                          of={key.name}
                          busy={action.busy}
                          onClick={() => void rotate(key)}
                        />
                        <RowButton
                          label={t("admin.keys.revoke")}
                          of={key.name}
                          busy={action.busy}
                          onClick={() => void revoke(key)}
                        />
                      </div>
                    ),
                },
              ]}
            />
          </>
        )}
      </Reading>
      {editing === null ? (
        <div className="buttons">
          <Button type="button" data-testid="add-key" onClick={create}>
            {t("admin.keys.add")}
          </Button>
        </div>
      ) : (
        <SpecForm
          name="key."
          title={t("admin.keys.add")}
          fields={fields}
          defaults={NEW_KEY}
          action={action}
          onSave={save}
          onClose={close}
        />
      )}
    </section>
  );
}
