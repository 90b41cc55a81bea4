import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useRef, useState } from "react";
import { asFailure, codeOf, type Failure } from "../../api/failure";
import { ADMIN } from "./useAdmin";

/** The server's code where an object isn't any more what was seen of it. */
export const CHANGED = "changed_meanwhile";

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
  /** The failure was dealt with; `message` is said. */
  settle: (message: string) => void;
}

/**
 * The state of the actions of one part of the page; a failure stays until the next attempt. Where
 * somebody else has changed something meanwhile, everything shown is read again too.
 */
export function useAction(): Action {
  const client = useQueryClient();
  const announce = useContext(Announce);
  const [busy, setBusy] = useState(false);
  // Whoever was asked to confirm may answer when what was under way as the question was put is over.
  const underWay = useRef(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = useCallback(
    async (act: () => Promise<unknown>, done: string) => {
      if (underWay.current) return false;
      underWay.current = true;
      setBusy(true);
      setFailure(null);
      announce("");
      try {
        await act();
        await client.invalidateQueries({ queryKey: [ADMIN] });
        announce(done);
        return true;
      } catch (error) {
        if (codeOf(error) === CHANGED) await client.invalidateQueries({ queryKey: [ADMIN] });
        setFailure(asFailure(error));
        return false;
      } finally {
        underWay.current = false;
        setBusy(false);
      }
    },
    [announce, client],
  );
  const settle = useCallback(
    (message: string) => {
      setFailure(null);
      announce(message);
    },
    [announce],
  );
  return { busy, failure, run, settle };
}
