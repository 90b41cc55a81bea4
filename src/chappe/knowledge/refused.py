"""Refused changes are in the audit log, like refused administration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from chappe.core.errors import ChappeError
from chappe.core.settings import LOOPBACK_HOSTS
from chappe.identity.access import Actor
from chappe.identity.acts import Act
from chappe.identity.refusals import record_refusal


@asynccontextmanager
async def changing(request: Request, actor: Actor, action: Act, object: str) -> AsyncIterator[None]:
    """A change of collections or documents.

    The page changes something on a loopback address only: where anybody can reach it without a
    key, it asks and reads.

    Raises:
        ChappeError: `key_missing` (401), and what the block raises.
    """
    state = request.app.state
    if actor.kind == "page" and state.settings.host not in LOOPBACK_HOSTS:
        raise ChappeError("key_missing", 401)
    try:
        yield
    except ChappeError as error:
        if error.status in (403, 404) and "operate" not in actor.scopes:
            await record_refusal(state.gateway.connections, actor, action, object, error.code)
        raise
