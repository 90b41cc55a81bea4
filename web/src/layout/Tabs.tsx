import { useId, useRef, type KeyboardEvent, type ReactNode } from "react";

interface Tab<Name extends string> {
  name: Name;
  title: string;
}

interface Props<Name extends string> {
  label: string;
  tabs: readonly Tab<Name>[];
  shown: Name;
  onShow: (name: Name) => void;
  children: ReactNode;
}

/** Views of one thing, one at a time; arrows go from one tab to the next. */
export function Tabs<Name extends string>({ label, tabs, shown, onShow, children }: Props<Name>) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };
    const at = tabs.findIndex((tab) => tab.name === shown);
    const to =
      event.key === "Home" ? 0
      : event.key === "End" ? tabs.length - 1
      : event.key in steps ? (at + steps[event.key]! + tabs.length) % tabs.length
      : null;
    if (to === null) return;
    event.preventDefault();
    onShow(tabs[to]!.name);
    list.current?.querySelectorAll<HTMLElement>('[role="tab"]')[to]?.focus();
  };
  return (
    <>
      <div ref={list} className="tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
        {tabs.map(({ name, title }) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`${id}-${name}`}
            aria-selected={name === shown}
            aria-controls={`${id}-panel`}
            tabIndex={name === shown ? 0 : -1}
            data-testid={`tab-${name}`}
            onClick={() => onShow(name)}
          >
            {title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${shown}`}>
        {children}
      </div>
    </>
  );
}
