import { useContext } from "react";
import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import type { Seen, Spec } from "../types";
import { Confirm } from "./Confirm";
import { useAction, type Action } from "./useAction";

/** Writing and removing one kind of object: `/api/admin/KIND/NAME`. */
export function useObject(kind: "models" | "endpoints" | "organisations"): {
  action: Action;
  /** `seen`: the version that is changed; null for a new object. */
  put: (name: string, spec: Spec, seen: Seen) => Promise<boolean>;
  remove: (name: string, seen: string) => Promise<boolean>;
} {
  const { t, i18n } = useTranslation();
  const confirm = useContext(Confirm);
  const action = useAction();
  const path = (name: string) => `/api/admin/${kind}/${encodeURIComponent(name)}`;
  return {
    action,
    put: (name, spec, seen) =>
      action.run(
        () => call(path(name), i18n.language, { method: "PUT", body: spec, seen }),
        t("admin.done.saved", { name }),
      ),
    remove: async (name, seen) => {
      const sure = await confirm({
        title: t("admin.confirm.remove", { name }),
        text: t(`admin.confirm.${kind}`),
        action: t("admin.remove"),
      });
      if (!sure) return false;
      return action.run(
        () => call(path(name), i18n.language, { method: "DELETE", seen }),
        t("admin.done.removed", { name }),
      );
    },
  };
}
