"""Messages as they travel (.eml, RFC 5322 and MIME)."""

from __future__ import annotations

from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import message as messages
from chappe.knowledge.reading.encoding import decode
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.message import Message
from chappe.knowledge.reading.model import Issue, ReadingError, ReadResult

MEDIA_TYPE = "message/rfc822"

_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature",
               "application/pgp-signature")  # fmt: skip
_ENCRYPTED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted")


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the message. Raises :class:`ReadingError` (`encrypted`) when its body is."""
    parsed = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    message = Message(
        subject=_header(parsed, "subject"),
        sender=_header(parsed, "from"),
        recipients=_header(parsed, "to"),
        copies=_header(parsed, "cc"),
    )
    try:
        field = parsed["date"]
        message.date = field.datetime if field is not None else None
    except (AttributeError, ValueError, TypeError, IndexError):
        message.date = str(parsed.get("date") or "")
    _walk(parsed, message)
    return messages.compose(message, name, MEDIA_TYPE, limits, folder)


def _header(parsed: EmailMessage, name: str) -> str:
    # Headers of strangers make the library stumble in more ways than it says.
    try:
        return normalise(str(parsed.get(name) or ""))
    except (ValueError, TypeError, IndexError, AttributeError):
        raw = next((v for k, v in parsed.raw_items() if k.lower() == name), "")
        return normalise(str(raw))


def _walk(parsed: EmailMessage, message: Message) -> None:
    """Sort the leaves of the tree of parts, without recursion: its depth is a stranger's."""
    stack: list[EmailMessage] = [parsed]
    while stack:
        part = stack.pop()
        kind = part.get_content_type()
        if kind in _ENCRYPTED and part.get_param("smime-type") != "signed-data":
            raise ReadingError("encrypted")
        if kind == "message/rfc822":
            inner = next(_parts(part), None)
            if inner is not None:
                subject = _header(inner, "subject")
                data = inner.as_bytes(policy=policy.default.clone(refold_source="none"))
                message.attachments.append((f"{subject or 'message'}.eml", data))
        elif part.is_multipart():
            stack.extend(reversed(list(_parts(part))))
        elif kind not in _SIGNATURES:
            _leaf(part, kind, message)


def _parts(part: EmailMessage) -> Iterator[EmailMessage]:
    payload = part.get_payload()
    for each in payload if isinstance(payload, list) else []:
        if isinstance(each, EmailMessage):
            yield each


def _leaf(part: EmailMessage, kind: str, message: Message) -> None:
    try:
        data = part.get_payload(decode=True)
    except (ValueError, TypeError, LookupError):
        message.issues.append(Issue("part_unreadable", loss=True))
        return
    if not isinstance(data, bytes):
        return
    name = part.get_filename() or ""
    attached = part.get_content_disposition() == "attachment" or bool(name)
    if kind == "text/plain" and not attached:
        message.plain += ("\n\n" if message.plain else "") + _text(part, data)
    elif kind == "text/html" and not attached:
        message.html += _text(part, data)
    elif kind.startswith("image/") and part.get("content-id"):
        message.inline_images.append((name or f"image.{kind.rpartition('/')[2]}", data))
    elif attached or kind not in ("text/calendar", "text/x-amp-html"):
        message.attachments.append((name, data))


def _text(part: EmailMessage, data: bytes) -> str:
    declared = part.get_content_charset()
    try:
        return decode(data, declared)
    except ReadingError:
        return data.decode("latin-1")
