"""The reader's language."""

import pytest

from chappe.core.errors import ChappeError
from chappe.core.i18n import choose_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "fr"),
        ("", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de, fr;q=0.5, en;q=0.7", "en"),
        ("fr-CA", "fr"),
        ("*", "fr"),
        ("en;q=broken", "fr"),
    ],
)
def test_accept_language(header: str | None, language: str) -> None:
    assert choose_language(header) == language


def test_an_error_is_a_problem_object() -> None:
    problem = ChappeError("unknown_model", 404, model="gpt").problem("fr", "abc")
    assert problem["status"] == 404
    assert problem["code"] == "unknown_model"
    assert "gpt" in problem["detail"]
    assert problem["type"].startswith("urn:")
