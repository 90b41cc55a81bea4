import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useState } from "react";
import { asFailure, type Failure } from "../../api/failure";
import { ADMIN } from "./useAdmin";

/** Says the result of an action to the whole page, screen readers included. */
export const Announce = createContext<(message: string) => void>(() => undefined);

export interface Action {
  busy: boolean;
  failure: Failure | null;
  /**
   * Does something, one thing at a time; then everything shown is read again and `done` is said.
   * Gives whether it was done.
   */
  run: (act: () => Promise<unknown>, done: string) => Promise<boolean>;
}

/** The state of the actions of one part of the page; a failure stays until the next attempt. */
export function useAction(): Action {
  const client = useQueryClient();
  const announce = useContext(Announce);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = useCallback(
    async (act: () => Promise<unknown>, done: string) => {
      if (busy) return false;
      setBusy(true);
      setFailure(null);
      announce("");
      try {
        await act();
        await client.invalidateQueries({ queryKey: [ADMIN] });
        announce(done);
        return true;
      } catch (error) {
        setFailure(asFailure(error));
        return false;
      } finally {
        setBusy(false);
      }
    },
    [announce, busy, client],
  );
  return { busy, failure, run };
}
