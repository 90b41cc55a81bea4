import { useCallback, useState } from "react";

/** A value that is being typed, kept by the tab across a reload or a change of section. */
export function useKept<T>(name: string, initial: T): [T, (value: T) => void, () => void] {
  const place = `chappe.admin.${name}`;
  const [value, setValue] = useState<T>(() => {
    const kept = sessionStorage.getItem(place);
    return kept === null ? initial : (JSON.parse(kept) as T);
  });
  const keep = useCallback(
    (next: T) => {
      sessionStorage.setItem(place, JSON.stringify(next));
      setValue(next);
    },
    [place],
  );
  const forget = useCallback(() => {
    sessionStorage.removeItem(place);
    setValue(initial);
  }, [place, initial]);
  return [value, keep, forget];
}
