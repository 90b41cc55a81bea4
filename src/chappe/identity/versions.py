"""Versions of what is administered, so that nobody undoes unseen what somebody else has changed.

A version is the hash of the object as the API shows it. Whoever changes or removes an object may
say which version was seen (`If-Match`), or that there was none (`If-None-Match: *`): where it is
another by then, nothing is changed. Without either, the last one wins.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header
from pydantic import BaseModel, BeforeValidator

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.identity.audit import hold

_HASH_BYTES = 12


def version_of(shown: BaseModel | dict[str, Any]) -> str:
    """The entity tag (RFC 9110, strong) of an object as it is shown."""
    plain = shown.model_dump(mode="json") if isinstance(shown, BaseModel) else shown
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return f'"{hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Expected:
    """What whoever changes an object believes of it.

    Attributes:
        versions: it has one of these; `*`: it exists; None where nothing is said.
        absent: it doesn't exist.
    """

    versions: frozenset[str] | None = None
    absent: bool = False

    async def check(
        self,
        connection: Connection,
        name: str,
        read: Callable[[Connection], Awaitable[Mapping[str, str]]],
    ) -> None:
        """See that it is so of the object `name`, and stays so until the transaction ends.

        Args:
            connection: the transaction that is to change the object.
            read: gives the versions of all objects of the kind, by name.

        Raises:
            ChappeError: `changed_meanwhile`, `exists_already` (412).
        """
        if self.versions is None and not self.absent:
            return
        await hold(connection)
        now = (await read(connection)).get(name)
        if self.absent and now is not None:
            raise ChappeError("exists_already", 412, name=name)
        if self.versions is not None and (now is None or not self.versions & {now, "*"}):
            raise ChappeError("changed_meanwhile", 412, name=name)


def _expected(
    if_match: Annotated[str | None, Header(description="the `etag` of the version seen")] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: only if there is none")] = None,
) -> Expected:
    versions = None if if_match is None else frozenset(v.strip() for v in if_match.split(","))
    return Expected(versions, absent=(if_none_match or "").strip() == "*")


Seen = Annotated[Expected, Depends(_expected)]
"""What the headers of a request say was seen."""


def _without_etag(values: Any) -> Any:
    return {n: v for n, v in values.items() if n != "etag"} if isinstance(values, dict) else values


AsShown = BeforeValidator(_without_etag)
"""Lets a body be what a list showed, `etag` included; only the headers say what was seen."""
