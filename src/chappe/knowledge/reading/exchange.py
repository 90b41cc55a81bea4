"""How a result crosses from the reading process: msgpack, checked against the types on arrival.

Whatever took over the reading process could write anything here; it is data, never code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from chappe.knowledge.reading.model import Boxes, Member, ReadDocument, ReadingError

RESULT = ".result"
"""Name of the file that holds an answer, in the reading's own folder."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reading gave; ``code`` and ``values`` are those of a :class:`ReadingError`."""

    document: ReadDocument | None = None
    members: tuple[Member, ...] = ()
    image: bytes | None = None
    code: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    module: str | None = None


def write(answer: Answer, folder: Path) -> None:
    """Leave the answer in the folder."""
    (folder / RESULT).write_bytes(msgspec.msgpack.encode(answer, enc_hook=_plain))


def take(folder: Path, limit: int) -> Answer:
    """Read the answer and remove its file.

    Raises:
        ReadingError: `crashed` for an answer that is missing, too large or not one.
    """
    file = folder / RESULT
    try:
        if file.is_symlink() or file.stat().st_size > limit:
            raise ReadingError("crashed")
        data = file.read_bytes()
    except OSError:
        raise ReadingError("crashed") from None
    finally:
        file.unlink(missing_ok=True)
    try:
        answer = msgspec.msgpack.decode(data, type=Answer, dec_hook=_rich)
    except (msgspec.MsgspecError, ValueError):
        raise ReadingError("crashed") from None
    inside = folder.resolve()
    for member in answer.members:
        if member.path.is_symlink() or not member.path.resolve().is_relative_to(inside):
            raise ReadingError("crashed")
    return answer


def _plain(value: Any) -> Any:
    if isinstance(value, Boxes):
        return value.to_bytes()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value)} can't leave the reading process")


def _rich(kind: type, value: Any) -> Any:
    if kind is Boxes:
        return Boxes.from_bytes(value)
    if issubclass(kind, Path):
        return Path(value)
    raise TypeError(f"{kind} is not expected")
