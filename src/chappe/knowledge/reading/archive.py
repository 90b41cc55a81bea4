"""ZIP archives: each file inside becomes a member; archives inside are opened too, to a depth."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, Member, ReadDocument, ReadingError, ReadResult
from chappe.knowledge.reading.package import Package

MEDIA_TYPE = "application/zip"

_UTF8_NAME = 0x800
_MAX_NAME = 200
# What systems leave in archives, which nobody put there.
_LITTER = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$|\._[^/]*$|~\$[^/]*$)")
_SYMBOLIC_LINK = 0o120000
_REASONS = ("encrypted", "broken", "depth")
_REFUSALS = ("bomb", "too_large", "too_many_members")


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Copy the files out, within what the limits let come out of the whole.

    Members that can't be had (encrypted, damaged, too deep) are named in the issues. An archive
    that is a bomb is refused whole.
    """
    opener = _Opener(limits, folder)
    opener.open(path, "", 1)
    if not opener.members:
        if opener.encrypted:
            raise ReadingError("encrypted")
        raise ReadingError("empty")
    if not opener.issues:
        return ReadResult(None, opener.members)
    # Without text of its own an archive is a document only to say what is missing.
    document = ReadDocument(Path(name).stem, MEDIA_TYPE, "", (), issues=tuple(opener.issues))
    return ReadResult(document, opener.members)


class _Opener:
    def __init__(self, limits: Limits, folder: Path) -> None:
        self._limits = limits
        self._folder = folder
        self._left = limits.unpacked_bytes
        self.members: list[Member] = []
        self.issues: list[Issue] = []
        self.encrypted = False

    def open(self, path: Path, prefix: str, depth: int) -> None:
        """Copy out what an archive holds; ``depth`` is 1 for the file itself."""
        package = Package(path, self._limits)
        for info in package.infos:
            shown = prefix + safe_name(_decoded_name(info))
            if info.is_dir() or _LITTER.search(shown):
                continue
            if (info.external_attr >> 16) & 0o170000 == _SYMBOLIC_LINK:
                self._refuse(shown, "link")
                continue
            if len(self.members) >= self._limits.members:
                raise ReadingError("too_many_members", limit=self._limits.members)
            target = self._folder / f"member-{len(self.members):05d}-{depth}-{self._left}"
            # What came out of archives inside counts too.
            package.left = self._left
            try:
                package.copy(info, target)
            except ReadingError as error:
                target.unlink(missing_ok=True)
                if error.code in _REFUSALS:
                    raise
                self.encrypted = self.encrypted or error.code == "encrypted"
                self._refuse(shown, error.code)
                continue
            finally:
                self._left = package.left
            if target.stat().st_size == 0:
                target.unlink()
            elif zipfile.is_zipfile(target) and _is_plain_archive(target):
                self._inner(target, shown, depth)
            else:
                self.members.append(Member(shown, target))

    def _inner(self, target: Path, shown: str, depth: int) -> None:
        if depth >= self._limits.member_depth:
            self._refuse(shown, "depth")
        else:
            try:
                self.open(target, f"{shown}/", depth + 1)
            except ReadingError as error:
                if error.code in _REFUSALS:
                    raise
                self._refuse(shown, error.code)
        target.unlink()

    def _refuse(self, name: str, reason: str) -> None:
        code = f"member_{reason}" if reason in _REASONS else "member_refused"
        self.issues.append(Issue(code, None, {"name": name}, loss=True))


def safe_name(name: str) -> str:
    """A member's name as a relative path that leads nowhere else: no drive, root or ``..``."""
    parts = re.split(r"[\\/]+", re.sub(r"^[A-Za-z]:", "", name))
    kept = [normalise(part) for part in parts]
    shown = "/".join(part for part in kept if part not in ("", ".", ".."))
    return shown[-_MAX_NAME:].lstrip("/") or "sans-nom"


def _decoded_name(info: zipfile.ZipInfo) -> str:
    """Old archivers write names as UTF-8 without saying so; MS-DOS's French is what is left."""
    if info.flag_bits & _UTF8_NAME:
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp850", "replace")


def _is_plain_archive(path: Path) -> bool:
    """Whether a ZIP is nothing but that: office files and books are ZIP files too."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
    return not names & {"mimetype", "[Content_Types].xml"}
