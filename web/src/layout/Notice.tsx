import type { ReactNode } from "react";
import { InfoIcon, WarningIcon } from "./icons";

interface Props {
  tone: "info" | "warning" | "danger";
  children: ReactNode;
}

/** A framed message, told apart by its icon as well as its colour. */
export function Notice({ tone, children }: Props) {
  return (
    <div className={`notice notice--${tone}`}>
      {tone === "info" ? <InfoIcon /> : <WarningIcon />}
      <div>{children}</div>
    </div>
  );
}
