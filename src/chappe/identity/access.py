"""The permission gate: what an actor may do, as a check and as an SQL predicate."""

import uuid
from dataclasses import dataclass
from typing import Literal

from chappe.core.errors import ChappeError

Scope = Literal["search", "ask", "models"]
SCOPES: tuple[Scope, ...] = ("search", "ask", "models")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a key, the page of a loopback installation, or Chappe itself."""

    kind: Literal["key", "page", "system"]
    scopes: frozenset[str]
    key_id: uuid.UUID | None = None


PAGE = Actor("page", frozenset({"search", "ask"}))
SYSTEM = Actor("system", frozenset(SCOPES))


def require(actor: Actor, scope: Scope) -> None:
    """Check a right.

    Raises:
        ChappeError: `scope_missing` (403).
    """
    if scope not in actor.scopes:
        raise ChappeError("scope_missing", 403, scope=scope)


def readable_collections(actor: Actor, alias: str = "collection") -> str:
    """SQL condition on the collections that `actor` may read, for a table named `alias`.

    Every collection is public until collections have owners; whoever lacks the right to search
    reads none.
    """
    return f"{alias}.public" if "search" in actor.scopes else "false"
