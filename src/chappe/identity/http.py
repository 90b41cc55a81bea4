"""Who calls an /api route, and in which language to answer."""

from typing import Annotated

from fastapi import Depends, Request

from chappe.core.i18n import choose_language
from chappe.identity.access import PAGE, Actor
from chappe.identity.service import authenticate


async def _actor(request: Request) -> Actor:
    authorization = request.headers.get("authorization")
    if authorization is None and request.app.state.settings.anonymous_page:
        return PAGE
    return await authenticate(request.app.state.database, authorization)


def language_of(request: Request) -> str:
    """The reader's language."""
    return choose_language(request.headers.get("accept-language"))


CurrentActor = Annotated[Actor, Depends(_actor)]
Language = Annotated[str, Depends(language_of)]
