"""Errors that a person reads: a stable code, an HTTP status and a sentence in their language."""

from typing import Any

from chappe.core.i18n import translate


class ChappeError(Exception):
    """An error with a stable `code`; its sentences are in `core/locales` under `errors.<code>`.

    Attributes:
        retry_after: seconds after which trying again makes sense, where that is known.
    """

    retry_after: float | None = None

    def __init__(self, code: str, status: int = 400, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.values = values

    def title(self, language: str) -> str:
        """What happened, in a few words."""
        return translate(f"errors.{self.code}.title", language, **self.values)

    def detail(self, language: str) -> str:
        """What to do about it."""
        return translate(f"errors.{self.code}.detail", language, **self.values)

    def __str__(self) -> str:
        return f"{self.title('en')}: {self.detail('en')}"

    def problem(self, language: str, request_id: str) -> dict[str, Any]:
        """The error as an RFC 9457 problem object."""
        return {
            "type": f"urn:chappe:problem:{self.code}",
            "title": _encodable(self.title(language)),
            "status": self.status,
            "detail": _encodable(self.detail(language)),
            "code": self.code,
            "request_id": request_id,
        }


def _encodable(text: str) -> str:
    """A text without halves of surrogate pairs, which a name that is quoted may hold."""
    return text.encode("utf-8", "replace").decode()
