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
    anonymous = request.app.state.settings.anonymous_page
    if authorization is None and anonymous and not _from_another_site(request):
        return PAGE
    refusals = request.app.state.gateway.keys.refusals
    return await authenticate(request.app.state.database, authorization, refusals)


def _from_another_site(request: Request) -> bool:
    """Does a browser say that a page of another site sends this: a form needs nobody's leave."""
    reads = request.method in ("GET", "HEAD")
    site = request.headers.get("sec-fetch-site", "same-origin")
    return not reads and site not in ("same-origin", "none")


def language_of(request: Request) -> str:
    """The reader's language."""
    return choose_language(request.headers.get("accept-language"))


CurrentActor = Annotated[Actor, Depends(actor_of)]
Language = Annotated[str, Depends(language_of)]
