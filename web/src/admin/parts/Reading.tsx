import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { asFailure } from "../../api/failure";
import { FailureNotice } from "../../layout/FailureNotice";

interface Props<T> {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}

/** What was read, while it is on its way, or why it couldn't be; what came before stays. */
export function Reading<T>({ query, children }: Props<T>) {
  const { t } = useTranslation();
  return (
    <>
      {query.error && (
        <FailureNotice
          topic="administration"
          failure={asFailure(query.error)}
          onRetry={() => void query.refetch()}
        />
      )}
      {query.data !== undefined && children(query.data)}
      {query.data === undefined && !query.error && <p className="hint">{t("admin.loading")}</p>}
    </>
  );
}
