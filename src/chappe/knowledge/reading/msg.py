"""Messages of Outlook (.msg): an OLE file whose streams are the properties of MAPI ([MS-OXMSG])."""

from __future__ import annotations

import datetime as dt
import struct
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import olefile

from chappe.knowledge.reading import message as messages
from chappe.knowledge.reading import rtf, rtf_compression
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.encoding import decode
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.message import Message
from chappe.knowledge.reading.model import Issue, ReadingError, ReadResult

MEDIA_TYPE = "application/vnd.ms-outlook"

# Property tags of [MS-OXPROPS].
_CLASS = "001A"
_SUBJECT = "0037"
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP = "0C1A", "0C1F", "5D01"
_TO, _CC = "0E04", "0E03"
_BODY, _HTML, _RTF = "1000", "1013", "1009"
_SUBMITTED, _DELIVERED = 0x0039, 0x0E06
_LONG_NAME, _SHORT_NAME, _DATA = "3707", "3704", "3701"
_CONTENT_ID = "3712"
_HEADER_BYTES = 32
_FILETIME = 0x0040
_MAX_DEPTH = 5


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the message."""
    try:
        with olefile.OleFileIO(path) as ole:
            message = _Storage(ole, [], limits).message()
    except (OSError, struct.error, IndexError, ValueError) as error:
        raise ReadingError("broken", reason=type(error).__name__) from None
    return messages.compose(message, name, MEDIA_TYPE, limits, folder)


class _Storage:
    """A message (the file's, or one attached): a folder of streams."""

    def __init__(self, ole: olefile.OleFileIO, prefix: list[str], limits: Limits) -> None:
        self._ole, self._prefix, self._limits = ole, prefix, limits

    def message(self) -> Message:
        """The message's parts."""
        if self._text(_CLASS).lower().startswith("ipm.note.smime") and not self._is_signed():
            raise ReadingError("encrypted")
        name = self._text(_SENDER_NAME)
        address = self._text(_SENDER_SMTP) or self._text(_SENDER_ADDRESS)
        # Addresses inside Exchange (/o=…) say nothing to a reader.
        if "@" in address and address != name:
            name = f"{name} <{address}>".strip()
        message = Message(
            subject=self._text(_SUBJECT),
            sender=name,
            recipients=self._text(_TO),
            copies=self._text(_CC),
            date=self._date(),
            plain=self._text(_BODY),
            html=self._html(),
        )
        if not message.plain and not message.html:
            compressed = self._stream(f"__substg1.0_{_RTF}0102")
            if compressed:
                message.plain = self._from_rtf(compressed)
        for entry in self._folders("__attach_version1.0_"):
            self._attachment(entry, message)
        return message

    def _is_signed(self) -> bool:
        return "multipartsigned" in self._text(_CLASS).lower()

    def _from_rtf(self, compressed: bytes) -> str:
        composer = Composer(self._limits)
        rtf.compose(composer, rtf_compression.decompressed(compressed))
        return composer.document("", MEDIA_TYPE).text

    def _attachment(self, entry: str, message: Message) -> None:
        inside = _Storage(self._ole, [*self._prefix, entry], self._limits)
        name = inside._text(_LONG_NAME) or inside._text(_SHORT_NAME)
        embedded = f"__substg1.0_{_DATA}000D"
        if self._ole.exists([*inside._prefix, embedded]):
            if len(inside._prefix) > _MAX_DEPTH:
                message.issues.append(Issue("member_depth", None, {"name": name}, loss=True))
                return
            within = _Storage(self._ole, [*inside._prefix, embedded], self._limits).message()
            message.attachments.append((f"{within.subject or 'message'}.eml", as_mail(within)))
            return
        data = inside._stream(f"__substg1.0_{_DATA}0102") or b""
        if inside._text(_CONTENT_ID) and name.lower().endswith((".png", ".jpg", ".jpeg", ".gif")):
            message.inline_images.append((name, data))
        else:
            message.attachments.append((name, data))

    def _folders(self, start: str) -> list[str]:
        depth = len(self._prefix)
        found = {
            entry[depth]
            for entry in self._ole.listdir(streams=True, storages=True)
            if entry[:depth] == self._prefix
            and len(entry) > depth
            and entry[depth].startswith(start)
        }
        return sorted(found)

    def _stream(self, name: str) -> bytes | None:
        path = [*self._prefix, name]
        if not self._ole.exists(path):
            return None
        with self._ole.openstream(path) as stream:
            data: bytes = stream.read()
        return data

    def _text(self, tag: str) -> str:
        wide = self._stream(f"__substg1.0_{tag}001F")
        if wide is not None:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        narrow = self._stream(f"__substg1.0_{tag}001E")
        return "" if narrow is None else decode(narrow.rstrip(b"\0"))

    def _html(self) -> str:
        data = self._stream(f"__substg1.0_{_HTML}0102")
        return self._text(_HTML) if data is None else decode(data)

    def _date(self) -> dt.datetime | None:
        """When the message was sent, else delivered: fixed properties of 16 bytes each."""
        data = self._stream("__properties_version1.0") or b""
        header = _HEADER_BYTES if not self._prefix else 24
        found: dict[int, int] = {}
        for at in range(header, len(data) - 15, 16):
            kind, tag = struct.unpack_from("<HH", data, at)
            if kind == _FILETIME:
                found[tag] = struct.unpack_from("<Q", data, at + 8)[0]
        ticks = found.get(_SUBMITTED) or found.get(_DELIVERED)
        if not ticks:
            return None
        try:
            return dt.datetime(1601, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=ticks // 10)
        except OverflowError:
            return None


def as_mail(message: Message) -> bytes:
    """A message inside a message, as a file that can be read alone."""
    mail = EmailMessage()
    fields = {
        "From": message.sender,
        "To": message.recipients,
        "Cc": message.copies,
        "Subject": message.subject,
    }
    for field, value in fields.items():
        if value:
            mail[field] = " ".join(value.split())
    if isinstance(message.date, dt.datetime):
        mail["Date"] = format_datetime(message.date)
    mail.set_content(message.plain)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    for name, data in [*message.attachments, *message.inline_images]:
        mail.add_attachment(
            data, maintype="application", subtype="octet-stream", filename=name or "fichier"
        )
    return mail.as_bytes()
