import { useContext } from "react";
import { useTranslation } from "react-i18next";
import { Confirm } from "./Confirm";
import type { Action } from "./useAction";

/** Removes something once that is confirmed; `text` says what goes with it. Gives whether it went. */
export function useRemoval(
  action: Action,
): (name: string, text: string, act: () => Promise<unknown>) => Promise<boolean> {
  const { t } = useTranslation();
  const confirm = useContext(Confirm);
  return async (name, text, act) => {
    const title = t("admin.confirm.remove", { name });
    if (!(await confirm({ title, text, action: t("admin.remove") }))) return false;
    return action.run(act, t("admin.done.removed", { name }));
  };
}
