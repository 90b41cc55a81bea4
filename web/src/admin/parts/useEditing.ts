import { useEffect, useRef, useState } from "react";

/**
 * Which object of a kind is in a form: its name, "" for a new one, null for none. It is kept by the
 * tab with what is typed; when the form closes, the focus goes to the heading of the list.
 */
export function useEditing(kind: string) {
  const place = `chappe.admin.editing.${kind}`;
  const [editing, setEditing] = useState<string | null>(() => sessionStorage.getItem(place));
  const heading = useRef<HTMLHeadingElement>(null);
  const closed = useRef(false);
  const open = (name: string) => {
    sessionStorage.setItem(place, name);
    setEditing(name);
  };
  const close = () => {
    sessionStorage.removeItem(place);
    closed.current = true;
    setEditing(null);
  };
  useEffect(() => {
    if (editing === null && closed.current) heading.current?.focus();
    closed.current = false;
  }, [editing]);
  return { editing, edit: open, create: () => open(""), close, heading };
}
