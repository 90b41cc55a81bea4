"""OpenAI's error envelope, with stable codes."""

import math
from typing import Any

import msgspec

from chappe.core.errors import ChappeError
from chappe.core.json import UNREADABLE

# OpenAI's own name where it has one for the case.
_CODES = {
    "key_missing": "invalid_api_key",
    "key_invalid": "invalid_api_key",
    "unknown_model": "model_not_found",
    "scope_missing": "insufficient_permissions",
    "quota_exceeded": "rate_limit_exceeded",
}
# French sets its colon off, with a space that doesn't break.
_COLONS = {"fr": "\u00a0: "}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def envelope(error: ChappeError, language: str = "en") -> dict[str, Any]:
    """An error in OpenAI's envelope."""
    return _envelope(
        error.status,
        f"{error.title(language)}{_COLONS.get(language, ': ')}{error.detail(language)}",
        _CODES.get(error.code, error.code),
        "model" if error.code == "unknown_model" else None,
    )


def refusal(status: int, body: bytes) -> dict[str, Any]:
    """An endpoint's own refusal in the envelope: its sentence and its code are kept."""
    code: object = None
    message = body[:300].decode(errors="replace")
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return _envelope(status, message, None, None)
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        code = error.get("code")
        error = error.get("message") or error.get("detail") or error
    return _envelope(status, str(error)[:1000], code, None)


def _envelope(status: int, message: str, code: object, param: str | None) -> dict[str, Any]:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def retry_after(error: ChappeError) -> bytes:
    """The `Retry-After` line of a refusal, or nothing."""
    if error.retry_after is None:
        return b""
    return b"retry-after: %d\r\n" % max(1, math.ceil(error.retry_after))
