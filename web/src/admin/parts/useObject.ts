import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import type { Seen, Spec } from "../types";
import { useAction, type Action } from "./useAction";
import { useRemoval } from "./useRemoval";

/** Writing and removing one kind of object: `/api/admin/KIND/NAME`. */
export function useObject(kind: "models" | "endpoints" | "organisations"): {
  action: Action;
  /** `seen`: the version that is changed; null for a new object. */
  put: (name: string, spec: Spec, seen: Seen) => Promise<boolean>;
  remove: (name: string, seen: string) => Promise<boolean>;
} {
  const { t, i18n } = useTranslation();
  const action = useAction();
  const removal = useRemoval(action);
  const path = (name: string) => `/api/admin/${kind}/${encodeURIComponent(name)}`;
  return {
    action,
    put: (name, spec, seen) =>
      action.run(
        () => call(path(name), i18n.language, { method: "PUT", body: spec, seen }),
        t("admin.done.saved", { name }),
      ),
    remove: (name, seen) =>
      removal(name, t(`admin.confirm.${kind}`), () =>
        call(path(name), i18n.language, { method: "DELETE", seen }),
      ),
  };
}
