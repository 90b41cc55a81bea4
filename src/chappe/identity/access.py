"""The permission gate: what an actor may do, as a check and as an SQL predicate."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from chappe.core.errors import ChappeError

Scope = Literal["search", "ask", "models", "manage", "operate"]
SCOPES: tuple[Scope, ...] = ("search", "ask", "models", "manage", "operate")
"""`manage`: administer one's own organisation. `operate`: administer the installation."""
USER_SCOPES: tuple[Scope, ...] = ("search", "ask", "models")
MANAGED_SCOPES: frozenset[str] = frozenset((*USER_SCOPES, "manage"))
"""What an organisation's administrator may hand on."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a key, the page of a loopback installation, or Chappe itself.

    Attributes:
        organisation_id, person_id, groups: for whom a key acts; None and empty for all but keys.
        level: sensitivity (0 open, 1 internal, 2 restricted) of whatever this actor asks.
        weight: share of its organisation when a model is saturated, relative to the others'.
        subjects: identifiers under which something may have been granted to it.
    """

    kind: Literal["key", "page", "system", "unknown"]
    scopes: frozenset[str]
    key_id: uuid.UUID | None = None
    organisation_id: uuid.UUID | None = None
    person_id: uuid.UUID | None = None
    groups: frozenset[uuid.UUID] = frozenset()
    organisation: str = ""
    level: int = 0
    weight: float = 1.0
    subjects: frozenset[uuid.UUID] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = {i for i in (self.key_id, self.organisation_id, self.person_id) if i is not None}
        object.__setattr__(self, "subjects", frozenset(own | self.groups))

    @property
    def name(self) -> str:
        """How logs of acts name it: `key:…`, `page`, `system` or `unknown`."""
        return f"key:{self.key_id}" if self.key_id else self.kind


PAGE = Actor("page", frozenset({"search", "ask"}))
SYSTEM = Actor("system", frozenset(SCOPES))


def require(actor: Actor, scope: Scope) -> None:
    """Check a right.

    Raises:
        ChappeError: `scope_missing` (403).
    """
    if scope not in actor.scopes:
        raise ChappeError("scope_missing", 403, scope=scope)


def administered(actor: Actor) -> uuid.UUID | None:
    """The organisation that an actor administers; None for the whole installation.

    Raises:
        ChappeError: `scope_missing` (403), it administers nothing.
    """
    if "operate" in actor.scopes:
        return None
    if "manage" in actor.scopes and actor.organisation_id is not None:
        return actor.organisation_id
    raise ChappeError("scope_missing", 403, scope="manage")


def may_hand_on(scopes: Iterable[str]) -> None:
    """May an organisation's administrator make, replace or revoke a key with these scopes.

    Raises:
        ChappeError: `scope_missing` (403).
    """
    if beyond := set(scopes) - MANAGED_SCOPES:
        raise ChappeError("scope_missing", 403, scope=min(beyond))


def may_revoke(actor: Actor, scopes: Iterable[str], level: int) -> None:
    """May `actor`, who administers its organisation, replace or revoke a key.

    Raises:
        ChappeError: `scope_missing` (403), the key opens more than it may hand on, or is for less
            sensitive questions than its own.
    """
    if administered(actor) is not None:
        may_hand_on(scopes)
        # A key for less sensitive questions must not come out of one for more sensitive ones.
        if level < actor.level:
            raise ChappeError("scope_missing", 403, scope="operate")


def readable_collections(actor: Actor, alias: str = "collection") -> str:
    """SQL condition on the collections that `actor` may read, for a table named `alias`.

    Public ones, those of the actor's person, groups and organisation, and those granted to them;
    whoever lacks the right to search reads none. Chappe itself reads all. A collection that is
    being removed is nobody's.
    """
    if "search" not in actor.scopes:
        return "false"
    if actor.kind == "system":
        return f"{alias}.removed_at is null"
    if not actor.subjects:
        return f"({alias}.removed_at is null and {alias}.public)"
    subjects = _array(actor.subjects)
    return (
        f"({alias}.removed_at is null and ({alias}.public or {alias}.owner_id = any({subjects})"
        f" or {alias}.id in {_granted(subjects)}))"
    )


def editable_collections(actor: Actor, alias: str = "collection") -> str:
    """SQL condition on the collections whose documents `actor` may add, read again and remove.

    Those of the actor's person, groups and organisation, and those granted to them to edit. The
    page of a loopback installation edits what it made: public collections of the installation
    that no source keeps in line. What a source keeps in line is edited by Chappe alone.
    """
    if "search" not in actor.scopes:
        return "false"
    if actor.kind == "system":
        return f"{alias}.removed_at is null"
    own = f"{alias}.removed_at is null and {alias}.source = ''"
    if actor.kind == "page":
        return f"({own} and {alias}.owner_kind = 'installation' and {alias}.public)"
    if not actor.subjects:
        return "false"
    subjects = _array(actor.subjects)
    granted = _granted(subjects, "role = 'editor'")
    return f"({own} and ({alias}.owner_id = any({subjects}) or {alias}.id in {granted}))"


def administered_collections(actor: Actor, alias: str = "collection") -> str:
    """SQL condition on the collections whose rules and grants `actor` may change.

    A person's own; an organisation's administrator, those of it and of its people and groups; an
    operator, all. It doesn't give the right to read what is in them. The page, those it edits.
    """
    if actor.kind == "page":
        return editable_collections(actor, alias)
    if actor.kind == "system" or "operate" in actor.scopes:
        return f"{alias}.removed_at is null"
    own = []
    if actor.person_id is not None and "search" in actor.scopes:
        own.append(f"({alias}.owner_kind = 'person' and {alias}.owner_id = '{actor.person_id}')")
    if "manage" in actor.scopes and actor.organisation_id is not None:
        own.append(f"{alias}.organisation_id = '{actor.organisation_id}'")
    return f"({alias}.removed_at is null and ({' or '.join(own)}))" if own else "false"


def _granted(subjects: str, condition: str = "true") -> str:
    return (
        "(select collection_id from collection_grant"  # noqa: S608 - both are of our own making
        f" where subject_id = any({subjects}) and {condition})"
    )


def _array(identifiers: Iterable[uuid.UUID]) -> str:
    """Identifiers as an SQL array; a UUID's own text holds nothing that could be read as SQL."""
    return "cast('{" + ",".join(sorted(map(str, identifiers))) + "}' as uuid[])"
