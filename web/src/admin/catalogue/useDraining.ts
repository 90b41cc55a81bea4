import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import { useAction, type Action } from "../parts/useAction";

/** Keeps new requests from an endpoint, or sends it requests again. */
export function useDraining(): {
  action: Action;
  setDrained: (endpoint: string, drained: boolean) => Promise<boolean>;
} {
  const { t, i18n } = useTranslation();
  const action = useAction();
  const setDrained = (endpoint: string, drained: boolean) =>
    action.run(
      () =>
        call(
          `/api/admin/endpoints/${encodeURIComponent(endpoint)}/${drained ? "drain" : "resume"}`,
          i18n.language,
          { method: "POST" },
        ),
      t(drained ? "admin.done.drained" : "admin.done.resumed", { name: endpoint }),
    );
  return { action, setDrained };
}
