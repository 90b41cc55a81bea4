"""What a file is, by its content. Its name decides only between kinds of text."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from chappe.knowledge.reading.model import ReadingError

_HEAD_BYTES = 64 * 1024
_PDF_WITHIN = 1024
_MANIFEST_BYTES = 4 * 1024 * 1024

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"\0\0\0\x0cjP  \r\n", "image/jp2"),
    (b"{\\rtf", "application/rtf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-executable"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"%!PS", "application/postscript"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("__properties_version1.0", "application/vnd.ms-outlook"),
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
)
_OOXML: tuple[tuple[bytes, str], ...] = (
    (
        b"wordprocessingml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (b"ms-word.", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"spreadsheetml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ms-excel.", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (
        b"presentationml",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    (
        b"ms-powerpoint.",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
)
_MAIN_PART = re.compile(rb'ContentType="([^"]*\.main\+xml)"')
_PACKAGED = re.compile(r"application/(vnd\.oasis\.opendocument\.[a-z-]+|epub\+zip)\Z")
_HTML = re.compile(
    r"\s*(<!--.*?-->\s*)*(<\?xml[^>]*>\s*)?(<!doctype\s+html|<html|<head|<body)", re.I | re.S
)
_MAIL_FIELD = re.compile(
    r"^(return-path|received|from|to|subject|date|message-id|mime-version|delivered-to"
    r"|content-type|reply-to|x-[a-z-]+|dkim-signature)[ \t]*:",
    re.I,
)
_TEXT_BY_SUFFIX = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".htm": "text/html",
    ".html": "text/html",
    ".xhtml": "text/html",
    ".eml": "message/rfc822",
}
_SUFFIXES = {
    "application/pdf": {".pdf"},
    "application/zip": {".zip"},
    "application/epub+zip": {".epub"},
    "application/vnd.ms-outlook": {".msg", ".oft"},
    "application/msword": {".doc", ".dot"},
    "application/vnd.ms-excel": {".xls", ".xlt"},
    "application/vnd.ms-powerpoint": {".ppt", ".pps", ".pot"},
    "application/rtf": {".rtf"},
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": {
        ".docx", ".docm", ".dotx", ".dotm",
    },
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
        ".xlsx", ".xlsm", ".xltx", ".xltm",
    },
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": {
        ".pptx", ".pptm", ".potx", ".potm", ".ppsx", ".ppsm",
    },
    "application/vnd.oasis.opendocument.text": {".odt"},
    "application/vnd.oasis.opendocument.spreadsheet": {".ods"},
    "application/vnd.oasis.opendocument.presentation": {".odp"},
    "image/png": {".png"},
    "image/jpeg": {".jpg", ".jpeg", ".jpe"},
    "image/gif": {".gif"},
    "image/tiff": {".tif", ".tiff"},
    "image/webp": {".webp"},
    "image/bmp": {".bmp", ".dib"},
    "message/rfc822": {".eml"},
    "text/html": {".htm", ".html", ".xhtml"},
}  # fmt: skip
_KNOWN_SUFFIXES = frozenset().union(*_SUFFIXES.values(), _TEXT_BY_SUFFIX, {".txt"})


def media_type(path: Path, name: str) -> str:
    """The media type of a file; `application/octet-stream` when nothing is recognised.

    Templates and macro-enabled forms have the type of the plain form: they are read alike.

    Raises:
        ReadingError: `empty`, `encrypted`, or `broken` for a ZIP without a readable directory.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise ReadingError("empty")
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], "application/x-riff")
    if head[4:8] == b"ftyp":
        return "image/heic" if head[8:12] in (b"heic", b"heix", b"mif1") else "video/mp4"
    if head.startswith(_OLE):
        return _ole(path)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip(path)
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return "application/pdf"
    return _text(head, PurePosixPath(name).suffix.lower())


def misnamed(name: str, found: str) -> bool:
    """Does the name's extension promise another type than was found?"""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _KNOWN_SUFFIXES or (found.startswith("text/") and suffix == ".txt"):
        return found == "text/html" and suffix == ".txt"
    if found in _SUFFIXES:
        return suffix not in _SUFFIXES[found]
    if found.startswith("text/"):
        return suffix not in _TEXT_BY_SUFFIX
    return True


def _ole(path: Path) -> str:
    """Old Office files and Outlook messages, told apart by the names of their streams."""
    with path.open("rb") as file:
        data = file.read()
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise ReadingError("encrypted")
    for stream, found in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            return found
    return "application/x-ole-storage"


def _zip(path: Path) -> str:
    """Packages (OpenDocument, EPUB, Office Open XML), else a plain archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "mimetype" in names:
                with archive.open("mimetype") as member:
                    declared = member.read(256).decode("ascii", "replace").strip()
                if _PACKAGED.match(declared):
                    return declared.removesuffix("-template")
            if "[Content_Types].xml" in names:
                with archive.open("[Content_Types].xml") as member:
                    listing = member.read(_MANIFEST_BYTES)
                for main in _MAIN_PART.findall(listing):
                    for part, found in _OOXML:
                        if part in main:
                            return found
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
    ) as error:
        raise ReadingError("broken", reason=type(error).__name__) from None
    return "application/zip"


def _text(head: bytes, suffix: str) -> str:
    text = _decoded(head)
    if text is None:
        return "application/octet-stream"
    if _HTML.match(text[:4096]):
        return "text/html"
    lines = text.lstrip("\r\n").splitlines()[:12]
    fields = 0
    for line in lines:
        if _MAIL_FIELD.match(line):
            fields += 1
        elif not line[:1].isspace():
            break
    if fields >= 3 or (fields >= 2 and suffix == ".eml"):
        return "message/rfc822"
    if suffix in _TEXT_BY_SUFFIX and suffix != ".eml":
        return _TEXT_BY_SUFFIX[suffix]
    if text.lstrip().startswith("<?xml"):
        return "application/xml"
    return "text/plain"


def _decoded(head: bytes) -> str | None:
    """The beginning of a text file, or `None` for binary data."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if head.startswith(mark):
            return head.decode(encoding, "ignore").lstrip("\ufeff")
    if b"\0" in head:
        # UTF-16 without a mark: Latin letters leave every other byte empty.
        even, odd = head[::2].count(0), head[1::2].count(0)
        half = len(head) / 2
        if odd > 0.7 * half and even < 0.05 * half:
            return head.decode("utf-16-le", "ignore")
        if even > 0.7 * half and odd < 0.05 * half:
            return head.decode("utf-16-be", "ignore")
        return None
    control = sum(head.count(byte) for byte in range(32) if byte not in (9, 10, 12, 13, 27))
    if control > len(head) * 0.01:
        return None
    return head.decode("utf-8", "replace")
