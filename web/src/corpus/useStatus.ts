import { useQuery } from "@tanstack/react-query";
import { fetchStatus } from "../api/client";
import type { Status } from "../api/types";

const POLL_MS = 2000;
const RETRY_MS = 5000;

/** True while something of the installation is still on its way. */
export function isSettling(status: Status): boolean {
  return (
    !status.ready || status.model?.state === "starting" || status.loads.some((load) => isActive(load.state))
  );
}

export function isActive(state: Status["loads"][number]["state"]): boolean {
  return state === "queued" || state === "downloading" || state === "running";
}

/** The installation's state, read again every two seconds while it changes. */
export function useStatus(language: string) {
  return useQuery({
    queryKey: ["status", language],
    queryFn: ({ signal }) => fetchStatus(language, signal),
    refetchInterval: ({ state }) =>
      state.status === "error" ? RETRY_MS : state.data && isSettling(state.data) ? POLL_MS : false,
    placeholderData: (previous) => previous,
    networkMode: "always",
    retry: false,
  });
}
