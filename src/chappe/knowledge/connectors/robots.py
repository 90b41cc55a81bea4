"""What a site lets robots read: its robots.txt (RFC 9309)."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

# What is beyond isn't read (RFC 9309, 2.5, asks for at least 500 KiB).
MOST_BYTES = 512_000
_MOST_DELAY_SECONDS = 60.0
_KEPT = "/%:?#[]@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Rule:
    """A path, with `*` for anything and `$` for the end, and whether it may be read."""

    path: str
    allowed: bool

    def matches(self, path: str) -> bool:
        """Does a path with its query fall under it."""
        first, *others = self.path.removesuffix("$").split("*")
        if not path.startswith(first):
            return False
        at = len(first)
        last = others.pop() if others and self.path.endswith("$") else None
        for piece in others:
            # The leftmost place leaves the most for what follows.
            found = path.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        if last is not None:
            return len(path) - len(last) >= at and path.endswith(last)
        return not self.path.endswith("$") or at == len(path)


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules for one robot, its delay between requests (seconds), and the site's sitemaps."""

    rules: Sequence[Rule] = ()
    delay: float = 0.0
    sitemaps: Sequence[str] = ()

    def allows(self, url: str) -> bool:
        """May the robot read this address: the longest rule that matches says it."""
        parts = urlsplit(url)
        path = _plain(parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if path == "/robots.txt":
            return True
        best = max(
            (rule for rule in self.rules if rule.matches(path)),
            key=lambda rule: (len(rule.path), rule.allowed),
            default=None,
        )
        return best is None or best.allowed


EVERYTHING = Robots()
NOTHING = Robots((Rule("/", allowed=False),))


def parse(text: str, robot: str) -> Robots:
    """The rules that a robots.txt has for `robot`, a name such as `chappebot`.

    The groups that name it count together; where none does, those for `*`.
    """
    groups: dict[str, tuple[list[Rule], list[float]]] = {}
    current: list[str] = []
    sitemaps: list[str] = []
    in_rules = False
    for line in text.lstrip("\ufeff").splitlines():
        name, separator, value = line.partition("#")[0].partition(":")
        name, value = name.strip().lower(), value.strip()
        if not separator:
            continue
        if name == "user-agent":
            if in_rules:
                current, in_rules = [], False
            current.append(value.lower())
            groups.setdefault(value.lower(), ([], []))
        elif name == "sitemap":
            sitemaps.append(value)
        elif name in ("allow", "disallow", "crawl-delay"):
            in_rules = True
            for agent in current:
                rules, delays = groups[agent]
                if name == "crawl-delay":
                    delays.extend(_seconds(value))
                elif value:
                    rules.append(Rule(_plain(value), name == "allow"))
    rules, delays = groups.get(robot.lower(), groups.get("*", ([], [])))
    return Robots(tuple(rules), max(delays, default=0.0), tuple(sitemaps))


def _seconds(value: str) -> list[float]:
    try:
        seconds = float(value)
    except ValueError:
        return []
    return [min(seconds, _MOST_DELAY_SECONDS)] if seconds > 0 else []


def _plain(path: str) -> str:
    """A path in one spelling: what needs no escape is written out, the rest is escaped."""
    return quote(unquote(path, errors="surrogateescape"), _KEPT, errors="surrogateescape")
