import { useContext } from "react";
import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import type { Spec } from "../types";
import { Confirm } from "./Confirm";
import { useAction, type Action } from "./useAction";

/** Writing and removing one kind of object: `/api/admin/KIND/NAME`. */
export function useObject(kind: "models" | "endpoints" | "organisations"): {
  action: Action;
  put: (name: string, spec: Spec) => Promise<boolean>;
  remove: (name: string) => Promise<boolean>;
} {
  const { t, i18n } = useTranslation();
  const confirm = useContext(Confirm);
  const action = useAction();
  const path = (name: string) => `/api/admin/${kind}/${encodeURIComponent(name)}`;
  return {
    action,
    put: (name, spec) =>
      action.run(
        () => call(path(name), i18n.language, { method: "PUT", body: spec }),
        t("admin.done.saved", { name }),
      ),
    remove: async (name) => {
      const sure = await confirm({
        title: t("admin.confirm.remove", { name }),
        text: t(`admin.confirm.${kind}`),
        action: t("admin.remove"),
      });
      if (!sure) return false;
      return action.run(
        () => call(path(name), i18n.language, { method: "DELETE" }),
        t("admin.done.removed", { name }),
      );
    },
  };
}
