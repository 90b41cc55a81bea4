"""Who calls an /api route, and in which language to answer."""

from typing import Annotated

from fastapi import Depends, Request

from chappe.core.i18n import choose_language
from chappe.identity.access import PAGE, Actor
from chappe.identity.keys import authenticate


async def actor_of(request: Request) -> Actor:
    """Who calls: a key, or the page where it may ask without one.

    Raises:
        ChappeError: `key_missing` or `key_invalid` (401).
    """
    authorization = request.headers.get("authorization")
    if authorization is None and request.app.state.settings.anonymous_page:
        return PAGE
    refusals = request.app.state.gateway.keys.refusals
    return await authenticate(request.app.state.database, authorization, refusals)


def language_of(request: Request) -> str:
    """The reader's language."""
    return choose_language(request.headers.get("accept-language"))


CurrentActor = Annotated[Actor, Depends(actor_of)]
Language = Annotated[str, Depends(language_of)]
