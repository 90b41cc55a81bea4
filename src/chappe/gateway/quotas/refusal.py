"""What a person is told of a limit."""

from typing import Any

from chappe.core.errors import ChappeError
from chappe.core.i18n import translate
from chappe.gateway.quotas.limits import Limit


def describe(limit: Limit, language: str) -> str:
    """A limit in words: `1 000 000 jetons par jour de l'organisation, modèle mistral`."""
    words = [
        f"{limit.amount:g}" if limit.amount < 10_000 else f"{limit.amount:.0f}",
        translate(f"quota.measure.{limit.measure}", language),
    ]
    if limit.period is not None:
        words.append(translate(f"quota.period.{limit.period}", language))
    words.append(translate(f"quota.subject.{limit.subject_kind}", language))
    text = " ".join(words)
    if limit.model is not None:
        text += translate("quota.model", language, model=limit.model)
    return text


class QuotaError(ChappeError):
    """A limit refuses a request: `quota_exceeded`, or `quota_too_small` when waiting won't help.

    Attributes:
        limit: the limit.
    """

    def __init__(self, limit: Limit, charge: float, left: float, retry_after: float | None) -> None:
        super().__init__(
            "quota_too_small" if retry_after is None else "quota_exceeded",
            429,
            charge=f"{charge:.10g}",
            left=f"{max(0.0, left):.10g}",
            seconds=max(1, round(retry_after or 0)),
        )
        self.limit = limit
        self.retry_after = retry_after

    def _values(self, language: str) -> dict[str, Any]:
        return self.values | {"limit": describe(self.limit, language)}

    def title(self, language: str) -> str:
        """What happened, in a few words."""
        return translate(f"errors.{self.code}.title", language, **self._values(language))

    def detail(self, language: str) -> str:
        """Which limit, and what to do about it."""
        return translate(f"errors.{self.code}.detail", language, **self._values(language))
