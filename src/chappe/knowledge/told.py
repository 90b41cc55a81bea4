"""What became of a document, as sentences in the reader's language."""

from collections.abc import Mapping
from typing import Any

from chappe.core.i18n import known, translate
from chappe.knowledge.document_schemas import IssueView


def told_reason(reason: Mapping[str, Any] | None, language: str) -> str | None:
    """Why a document failed, or waits."""
    return None if reason is None else _told(reason["code"], language, reason["values"])


def told_issues(issues: list[dict[str, Any]], language: str) -> list[IssueView]:
    """What could not be read of it, page by page."""
    return [
        IssueView(
            code=issue["code"],
            page=issue["page"],
            message=_told(
                f"reading.{issue['code']}", language, {"page": issue["page"], **issue["values"]}
            ),
            loss=issue["loss"],
        )
        for issue in issues
    ]


def _told(key: str, language: str, values: Mapping[str, Any]) -> str:
    try:
        if known(key):
            return translate(key, language, **values)
    except (KeyError, IndexError):
        # Written by another version, whose sentence quoted other values.
        pass
    return translate("reading.untold", language, code=key)
