"""What a request asks of us besides its body: priority, sensitivity, deadline, trace."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import LEVELS
from chappe.gateway.dispatch.job import PRIORITIES, Priority

_TRACE_PARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one request.

    Attributes:
        priority: its class; None for the default.
        level: sensitivity of its content, 0 to 2; a key's own level may raise it.
        wait_seconds: how long it may wait for an endpoint; None for the default.
        trace_id, parent_span: W3C trace context, in hexadecimal; empty when the client has none.
        sampled: does the client's trace record.
    """

    priority: Priority | None = None
    level: int = 0
    wait_seconds: float | None = None
    trace_id: str = ""
    parent_span: str = ""
    sampled: bool = False


DEFAULT = Terms()


def read_terms(headers: Mapping[bytes, bytes]) -> Terms:
    """The terms that headers tell: `x-chappe-priority`, `x-chappe-sensitivity`,
    `x-chappe-max-wait` (seconds) and `traceparent`.

    Raises:
        ChappeError: `invalid_request` or `unknown_level` (400). Sensitivity is never guessed.
    """
    priority_text = headers.get(b"x-chappe-priority")
    level_text = headers.get(b"x-chappe-sensitivity")
    wait_text = headers.get(b"x-chappe-max-wait")
    trace_text = headers.get(b"traceparent")
    if priority_text is None and level_text is None and wait_text is None and trace_text is None:
        return DEFAULT
    priority: Priority | None = None
    if priority_text is not None:
        name = priority_text.decode("latin-1").strip().lower()
        priority = next((known for known in PRIORITIES if known == name), None)
        if priority is None:
            reason = f"x-chappe-priority: {', '.join(PRIORITIES)}"
            raise ChappeError("invalid_request", 400, reason=reason)
    level = 0
    if level_text is not None:
        name = level_text.decode("latin-1").strip().lower()
        if name not in LEVELS:
            raise ChappeError("unknown_level", 400, value=name[:40])
        level = LEVELS.index(name)
    wait: float | None = None
    if wait_text is not None:
        try:
            wait = float(wait_text)
        except ValueError:
            wait = -1.0
        if not 0 <= wait <= _LONGEST_WAIT_SECONDS:
            reason = f"x-chappe-max-wait: 0–{_LONGEST_WAIT_SECONDS:.0f}"
            raise ChappeError("invalid_request", 400, reason=reason)
    match = _TRACE_PARENT.fullmatch(trace_text) if trace_text else None
    # A malformed traceparent is ignored, as W3C Trace Context asks (section 3.2.2.5).
    if match is None or match[1] == b"0" * 32:
        return Terms(priority, level, wait)
    return Terms(
        priority, level, wait, match[1].decode(), match[2].decode(), bool(int(match[3], 16) & 1)
    )


def new_span() -> str:
    """A new span identifier, in hexadecimal."""
    return os.urandom(8).hex()
