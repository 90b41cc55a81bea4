import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { useAction, type Action } from "../admin/parts/useAction";
import { COLLECTIONS } from "./useCollections";

/** As `useAction`, after which the collections are read again. */
export function useCollectionAction(): Action {
  const client = useQueryClient();
  const action = useAction();
  const { run } = action;
  const runHere = useCallback<Action["run"]>(
    (act, done) =>
      run(async () => {
        await act();
        await Promise.all([
          client.invalidateQueries({ queryKey: [COLLECTIONS] }),
          client.invalidateQueries({ queryKey: ["status"] }),
        ]);
      }, done),
    [client, run],
  );
  return { ...action, run: runHere };
}
