import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { callJson } from "../api/client";
import { asFailure, type Failure } from "../api/failure";
import { ADMIN } from "./parts/useAdmin";
import type { Me } from "./types";

/** What a key may do: run the installation, see to its own organisation, or neither. */
export type Rights = "operate" | "manage" | "none";

export function rightsOf(scopes: readonly string[]): Rights {
  if (scopes.includes("operate")) return "operate";
  return scopes.includes("manage") ? "manage" : "none";
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
    queryFn: ({ signal }) => callJson<Me>("/api/admin/me", i18n.language, { signal }),
    enabled: hasKey,
    networkMode: "always",
    retry: false,
  });
  return {
    rights: query.data ? rightsOf(query.data.scopes) : null,
    failure: query.error && !query.data ? asFailure(query.error) : null,
    retry: () => void query.refetch(),
  };
}
