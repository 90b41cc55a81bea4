"""Is an answer the result of a batch's request, or is the request to be made again later."""

from dataclasses import dataclass

import msgspec

from chappe.core.errors import ChappeError
from chappe.gateway.batches.lines import one_line
from chappe.gateway.http.envelope import envelope, refusal

ATTEMPTS = 3
"""How many times a request that isn't refused but fails is made."""
MOST_BEGUN = 6
"""How many times a request is begun: more often, processes ended each time in the middle of it."""
# No room now: made again until there is, or the batch's window is past.
_NO_ROOM = frozenset((429, 503))
# Perhaps not the request's own fault.
_UNLUCKY = frozenset((408, 500, 502, 504))
# Waiting won't help.
_NEVER = frozenset(("quota_too_small", "batch_item_interrupted"))


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a request: HTTP status, JSON on one line, the gateway's identifier."""

    status: int
    body: bytes
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Later:
    """The request is to be made again.

    Attributes:
        retry_after: seconds that the refusal asks for.
        counted: it failed, and wasn't merely refused.
    """

    retry_after: float | None
    counted: bool


def judge(
    status: int, body: bytes, request_id: str, retry_after: float | None, attempts: int
) -> Answer | Later:
    """What becomes of an endpoint's answer, at this many attempts."""
    if later := _later(status, retry_after, attempts):
        return later
    if not 200 <= status < 300:
        body = msgspec.json.encode(refusal(status, body))
    return Answer(status, one_line(body), request_id)


def judge_error(error: ChappeError, attempts: int) -> Answer | Later:
    """What becomes of the gateway's own refusal, at this many attempts."""
    if error.code not in _NEVER and (later := _later(error.status, error.retry_after, attempts)):
        return later
    return Answer(error.status, msgspec.json.encode(envelope(error)), None)


def _later(status: int, retry_after: float | None, attempts: int) -> Later | None:
    if status in _NO_ROOM:
        return Later(retry_after, counted=False)
    if status in _UNLUCKY and attempts < ATTEMPTS:
        return Later(retry_after, counted=True)
    return None
