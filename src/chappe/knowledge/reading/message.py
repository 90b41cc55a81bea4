"""What a message is, whatever its format: headers, a body, attachments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import html, text
from chappe.knowledge.reading.archive import safe_name
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import parse_html
from chappe.knowledge.reading.model import Issue, Member, ReadingError, ReadResult

# Logos and rules of signatures.
_SMALL_IMAGE_BYTES = 20 * 1024


@dataclass(slots=True)
class Message:
    """A message's parts. ``html`` is preferred to ``plain``, since it has lists and tables."""

    subject: str = ""
    sender: str = ""
    recipients: str = ""
    copies: str = ""
    date: dt.datetime | str | None = None
    plain: str = ""
    html: str = ""
    attachments: list[tuple[str, bytes]] = field(default_factory=list)
    inline_images: list[tuple[str, bytes]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


def compose(
    message: Message, name: str, media_type: str, limits: Limits, folder: Path
) -> ReadResult:
    """The message as a document, and its attachments as members."""
    composer = Composer(limits)
    for label, value in (
        ("De", message.sender),
        ("À", message.recipients),
        ("Copie", message.copies),
        ("Date", _written(message.date)),
        ("Objet", message.subject),
    ):
        if normalise(value):
            composer.add("paragraph", f"{label} : {value}")
    before = len(composer)
    if message.html:
        try:
            html.compose(composer, parse_html(message.html))
        except ReadingError:
            if not message.plain:
                raise
            composer.issue("part_unreadable", loss=True)
    if len(composer) == before and message.plain:
        text.compose(composer, message.plain)
    for issue in message.issues:
        composer.issue(issue.code, issue.page, loss=issue.loss, **issue.values)
    big = [image for image in message.inline_images if len(image[1]) > _SMALL_IMAGE_BYTES]
    members = _members([*message.attachments, *big], limits, folder)
    metadata: dict[str, Any] = {
        "author": normalise(message.sender),
        "recipients": normalise(message.recipients),
        "created": _stored(message.date),
        "attachments": [member.name for member in members],
    }
    if not len(composer) and not members:
        raise ReadingError("empty")
    title = normalise(message.subject) or Path(name).stem
    return ReadResult(composer.document(title, media_type, metadata), members)


def _members(parts: Sequence[tuple[str, bytes]], limits: Limits, folder: Path) -> list[Member]:
    if len(parts) > limits.members:
        raise ReadingError("too_many_members", limit=limits.members)
    members = []
    for index, (name, data) in enumerate(parts):
        if data:
            path = folder / f"attachment-{index:05d}"
            path.write_bytes(data)
            members.append(Member(safe_name(name or f"piece-jointe-{index + 1}"), path))
    return members


def _written(date: dt.datetime | str | None) -> str:
    return date.strftime("%d/%m/%Y %H:%M") if isinstance(date, dt.datetime) else date or ""


def _stored(date: dt.datetime | str | None) -> str:
    return date.isoformat() if isinstance(date, dt.datetime) else date or ""
