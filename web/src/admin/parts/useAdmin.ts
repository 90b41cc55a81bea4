import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { callJson } from "../../api/client";

/** Under this all readings of the administration are kept; an action makes them be read again. */
export const ADMIN = "admin";

/** Reads `/api/admin/PATH`; every `everyMs` while the page is visible, where that is given. */
export function useAdmin<T>(path: string, options: { everyMs?: number | false; enabled?: boolean } = {}) {
  const { i18n } = useTranslation();
  return useQuery({
    queryKey: [ADMIN, path, i18n.language],
    queryFn: ({ signal }) => callJson<T>(`/api/admin/${path}`, i18n.language, { signal }),
    refetchInterval: options.everyMs ?? false,
    enabled: options.enabled ?? true,
    placeholderData: (previous, query) => (query?.queryKey[1] === path ? previous : undefined),
    networkMode: "always",
    retry: false,
  });
}
