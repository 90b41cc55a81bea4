"""What a crawler needs of a page: its links, its own address, what it says to robots."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

_MOST_URL_CHARS = 2_000
_MOST_SEGMENTS = 30
_SAME_SEGMENTS = 3
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_KEPT = "/%:@!$&'()*+,;=-._~"
# Marks of campaigns and of visits: the page is the same without them.
_VISIT = ("utm_", "at_", "pk_", "mtm_", "fbclid", "gclid", "jsessionid", "phpsessid", "sid")


@dataclass
class Page:
    """What a page says. `links` in the order of the page, each once."""

    links: list[str] = field(default_factory=list)
    canonical: str | None = None
    index: bool = True
    follow: bool = True


def normal(url: str) -> str | None:
    """An address in one spelling, without fragment and marks of visits; None for no web address.

    Paths that go on for ever, as calendars and faulty relative links make them, are none either.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or len(url) > _MOST_URL_CHARS:
        return None
    segments = [segment for segment in parts.path.split("/") if segment]
    if len(segments) > _MOST_SEGMENTS:
        return None
    if any(segments.count(segment) > _SAME_SEGMENTS for segment in segments):
        return None
    place = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    path = quote(
        unquote(parts.path, errors="surrogateescape"), _PATH_KEPT, errors="surrogateescape"
    )
    query = parts.query
    if any(name.lower().startswith(_VISIT) for name, _ in parse_qsl(query)):
        kept = [pair for pair in parse_qsl(query) if not pair[0].lower().startswith(_VISIT)]
        query = urlencode(kept)
    return urlunsplit((parts.scheme, place, path or "/", query, ""))


def read(html: str, url: str) -> Page:
    """What a page at `url` says."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    return reader.page


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._base = url
        self._seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "base" and (target := self._absolute(values.get("href", ""))):
            self._base = target
        elif tag in ("a", "area") and "nofollow" not in values.get("rel", "").lower().split():
            target = self._absolute(values.get("href", ""))
            if target is not None and target not in self._seen:
                self._seen.add(target)
                self.page.links.append(target)
        elif tag == "link" and "canonical" in values.get("rel", "").lower().split():
            self.page.canonical = self._absolute(values.get("href", ""))
        elif tag == "meta" and values.get("name", "").lower() in ("robots", "chappebot"):
            said = {part.strip() for part in values.get("content", "").lower().split(",")}
            self.page.index = self.page.index and not said & {"noindex", "none"}
            self.page.follow = self.page.follow and not said & {"nofollow", "none"}

    def _absolute(self, href: str) -> str | None:
        try:
            return normal(urljoin(self._base, href.strip())) if href.strip() else None
        except ValueError:
            return None
