import { useCallback, useState } from "react";

const NAME = "chappe.draft";

/** The question being typed, kept by the tab so that a reload or an error never loses it. */
export function useDraft(): [string, (text: string) => void] {
  const [draft, setDraft] = useState(() => sessionStorage.getItem(NAME) ?? "");
  const keep = useCallback((text: string) => {
    sessionStorage.setItem(NAME, text);
    setDraft(text);
  }, []);
  return [draft, keep];
}
