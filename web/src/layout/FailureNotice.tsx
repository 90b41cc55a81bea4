import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import type { Failure } from "../api/failure";
import { failureKey, type Topic } from "./failureText";
import { Notice } from "./Notice";

interface Props {
  failure: Failure;
  /** Part of an answer had come before the failure. */
  partial?: boolean;
  /** The last words that came were not judged. */
  unverified?: boolean;
  topic?: Topic;
  onRetry?: () => void;
}

/** A failure in words that a person understands, and what can be done. */
export function FailureNotice({
  failure,
  partial = false,
  unverified = false,
  topic = "question",
  onRetry,
}: Props) {
  const { t } = useTranslation();
  const key = failureKey(failure, partial, topic);
  const problem = failure.kind === "problem" ? failure.problem : null;
  return (
    <div role="alert" data-testid="error" className="failure">
      <Notice tone="danger">
        <p>
          {key ? t(key) : problem?.title}
          {unverified && ` ${t("answer.unverified")}`}
        </p>
        {problem?.detail && problem.detail !== problem.title && (
          <p className="failure__detail">{problem.detail}</p>
        )}
        {problem?.request_id && (
          <p className="failure__detail">{t("failure.request", { id: problem.request_id })}</p>
        )}
        {onRetry && (
          <Button type="button" variant="bordered" size="small" data-testid="retry" onClick={onRetry}>
            {t("failure.retry")}
          </Button>
        )}
      </Notice>
    </div>
  );
}
