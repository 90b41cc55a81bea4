import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { call } from "../api/client";
import { asFailure, type Failure } from "../api/failure";
import { ADMIN } from "./parts/useAdmin";

/** What the key may do: run the installation, see to its own organisation, or neither. */
export type Rights = "operate" | "manage" | "none";

async function allowed(path: string, language: string, signal: AbortSignal): Promise<boolean> {
  try {
    await call(path, language, { signal });
    return true;
  } catch (error) {
    const failure = asFailure(error);
    if (failure.kind === "problem" && failure.problem.status === 403) return false;
    throw error;
  }
}

/** Asks the server what the key in use may do. */
export function useRights(hasKey: boolean): {
  rights: Rights | null;
  failure: Failure | null;
  retry: () => void;
} {
  const { i18n } = useTranslation();
  const query = useQuery({
    queryKey: [ADMIN, "rights"],
    queryFn: async ({ signal }): Promise<Rights> => {
      if (await allowed("/api/admin/live", i18n.language, signal)) return "operate";
      return (await allowed("/api/admin/limits", i18n.language, signal)) ? "manage" : "none";
    },
    enabled: hasKey,
    networkMode: "always",
    retry: false,
  });
  return {
    rights: query.data ?? null,
    failure: query.error && !query.data ? asFailure(query.error) : null,
    retry: () => void query.refetch(),
  };
}
