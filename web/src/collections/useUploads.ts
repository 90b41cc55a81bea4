import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { asFailure, type Failure } from "../api/failure";
import { upload } from "../api/upload";
import { COLLECTIONS } from "./useCollections";

/** How many files are sent at once. */
const AT_ONCE = 2;

export interface Sending {
  id: number;
  file: File;
  state: "waiting" | "sending" | "received" | "unchanged" | "refused";
  /** Share of the file that is sent, 0 to 1. */
  sent: number;
  failure: Failure | null;
}

interface Answer {
  outcome: "added" | "changed" | "unchanged";
}

/** Files on their way to a collection. One that is refused stays in the list, to be sent again. */
export function useUploads(slug: string, language: string) {
  const client = useQueryClient();
  const [files, setFiles] = useState<Sending[]>([]);
  const nextId = useRef(1);
  const leaving = useRef(new AbortController());
  const started = useRef(new Set<number>());

  useEffect(() => {
    const controller = new AbortController();
    leaving.current = controller;
    return () => controller.abort();
  }, [slug]);

  const change = useCallback(
    (id: number, to: Partial<Sending>) =>
      setFiles((all) => all.map((each) => (each.id === id ? { ...each, ...to } : each))),
    [],
  );

  const send = useCallback(
    async ({ id, file }: Sending) => {
      const { signal } = leaving.current;
      const body = new FormData();
      body.append("files", file, file.webkitRelativePath || file.name);
      change(id, { state: "sending", sent: 0, failure: null });
      try {
        const [answer] = await upload<Answer[]>(
          `/api/collections/${encodeURIComponent(slug)}/documents`,
          language,
          body,
          (sent) => change(id, { sent }),
          signal,
        );
        change(id, { state: answer?.outcome === "unchanged" ? "unchanged" : "received", sent: 1 });
      } catch (error) {
        if (signal.aborted) return;
        change(id, { state: "refused", failure: asFailure(error) });
      } finally {
        started.current.delete(id);
        if (!signal.aborted) void client.invalidateQueries({ queryKey: [COLLECTIONS] });
      }
    },
    [change, client, language, slug],
  );

  useEffect(() => {
    const free = AT_ONCE - started.current.size;
    const waiting = files.filter((each) => each.state === "waiting" && !started.current.has(each.id));
    for (const each of waiting.slice(0, free)) {
      started.current.add(each.id);
      void send(each);
    }
  }, [files, send]);

  const busy = files.some((each) => each.state === "waiting" || each.state === "sending");
  useEffect(() => {
    if (!busy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [busy]);

  const add = useCallback((chosen: Iterable<File>) => {
    const fresh = [...chosen].map((file) => ({
      id: nextId.current++,
      file,
      state: "waiting" as const,
      sent: 0,
      failure: null,
    }));
    setFiles((all) => [...all, ...fresh]);
  }, []);
  const again = useCallback((id: number) => change(id, { state: "waiting", failure: null }), [change]);
  const clear = useCallback(
    () => setFiles((all) => all.filter((each) => !["received", "unchanged"].includes(each.state))),
    [],
  );
  return { files, busy, add, again, clear };
}
