import { useCallback, useEffect, useRef, useState } from "react";
import { ask } from "../api/ask";
import { asFailure } from "../api/failure";
import type { Choice } from "../api/types";
import { earlier, fail, isRunning, newTurn, receive, stop, type Turn } from "./turn";

export interface Conversation {
  /** Oldest first. */
  turns: Turn[];
  /** The turn whose answer is coming, if any. */
  running: Turn | null;
  /** Asks; `chosen`: the case that the reader says to be theirs. */
  send: (question: string, chosen?: Choice | null) => void;
  stopAnswer: () => void;
  /** Starts anew: what was asked before doesn't count any more. */
  clear: () => void;
}

/** Asking again in the place of a question that failed before anything came. */
function withoutRetried(turns: Turn[], question: string): Turn[] {
  const last = turns.at(-1);
  const empty = last?.phase === "failed" && last.sources.length === 0 && last.text === "";
  return empty && last.question === question ? turns.slice(0, -1) : turns;
}

/** The questions and answers of this visit; one answer comes at a time. */
export function useConversation(language: string, collections: string[] | null): Conversation {
  const [turns, setTurns] = useState<Turn[]>([]);
  const before = useRef(turns);
  before.current = turns;
  const controller = useRef<AbortController | null>(null);
  const nextId = useRef(1);

  useEffect(() => () => controller.current?.abort(), []);

  const send = useCallback(
    (question: string, chosen: Choice | null = null) => {
      if (controller.current) return;
      const abort = new AbortController();
      controller.current = abort;
      const id = nextId.current++;
      const change = (step: (turn: Turn) => Turn) =>
        setTurns((all) => all.map((turn) => (turn.id === id ? step(turn) : turn)));
      const asked = { question, turns: earlier(before.current), collections, case: chosen };
      setTurns((all) => [...withoutRetried(all, question), newTurn(id, question, chosen)]);
      ask(asked, language, (event) => change((turn) => receive(turn, event)), abort.signal)
        .catch((error: unknown) => {
          if (abort.signal.aborted) change(stop);
          else change((turn) => fail(turn, asFailure(error)));
        })
        .finally(() => {
          controller.current = null;
        });
    },
    [language, collections],
  );

  const stopAnswer = useCallback(() => controller.current?.abort(), []);
  const clear = useCallback(() => {
    controller.current?.abort();
    setTurns([]);
  }, []);
  const last = turns.at(-1);
  return { turns, running: last && isRunning(last) ? last : null, send, stopAnswer, clear };
}
