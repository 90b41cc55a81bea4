"""Sitemaps (sitemaps.org): lists of a site's pages, lists of such lists, plain lists of lines."""

import datetime as dt
import zlib
from dataclasses import dataclass

from chappe.knowledge.sources.tree import TreeError, parse_xml

# What the protocol allows: 50,000 addresses and 50 MB in one file.
MOST_BYTES = 52_428_800


class NotASitemap(ValueError):
    """What was read isn't one; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An address, and when what is there last changed, as the site wrote it."""

    url: str
    modified: str = ""

    @property
    def date(self) -> dt.date | None:
        """The day of the last change, where it is one."""
        try:
            return dt.date.fromisoformat(self.modified[:10])
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Sitemap:
    """Pages, and other sitemaps to read."""

    pages: tuple[Entry, ...] = ()
    sitemaps: tuple[Entry, ...] = ()


def parse(raw: bytes) -> Sitemap:
    """Read a sitemap, compressed by gzip or not.

    Raises:
        NotASitemap: it isn't one, or it is larger than the protocol allows.
    """
    if raw.startswith(b"\x1f\x8b"):
        raw = _inflated(raw)
    if not raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return Sitemap(tuple(_lines(raw)))
    try:
        root = parse_xml(raw, namespaces=True)
    except TreeError as error:
        raise NotASitemap(str(error)) from error
    kind = root.name.rpartition("}")[2]
    if kind not in ("urlset", "sitemapindex"):
        raise NotASitemap(f"<{kind}>")
    prefix = root.name.removesuffix(kind)
    entries = tuple(
        Entry(address, child.text(f"{prefix}lastmod").strip())
        for child in root.elements
        if (address := child.text(f"{prefix}loc").strip())
    )
    return Sitemap(pages=entries) if kind == "urlset" else Sitemap(sitemaps=entries)


def _lines(raw: bytes) -> list[Entry]:
    lines = raw.decode("utf-8-sig", "replace").split()
    if not lines or not all(line.startswith(("http://", "https://")) for line in lines):
        raise NotASitemap("no list of addresses")
    return [Entry(line) for line in lines]


def _inflated(raw: bytes) -> bytes:
    inflater = zlib.decompressobj(31)
    try:
        data = inflater.decompress(raw, MOST_BYTES)
    except zlib.error as error:
        raise NotASitemap(str(error)) from error
    if inflater.unconsumed_tail:
        raise NotASitemap(f"> {MOST_BYTES} bytes")
    return data
