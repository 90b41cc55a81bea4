"""What a crawler reads of a site's rules, lists and pages, without a network."""

import gzip
import re
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.connectors import pages, robots, sitemap

RULES = """
# comments and unknown lines don't matter
Sitemap: https://a.fr/sitemap.xml
User-agent: Googlebot
User-agent: other
Disallow: /

User-agent: *
Crawl-delay: 3
Disallow: /private/
Allow: /private/public
Disallow: /*.pdf$
Disallow: /caf%C3%A9
Disallow:
unknown: thing
"""


@pytest.mark.parametrize(
    ("robot", "path", "allowed"),
    [
        ("chappebot", "/", True),
        ("chappebot", "/private/x", False),
        ("chappebot", "/private/public/x", True),
        ("chappebot", "/x/y.pdf", False),
        ("chappebot", "/x/y.pdf?v=1", True),
        ("chappebot", "/café/x", False),
        ("chappebot", "/caf%c3%a9", False),
        ("googlebot", "/", False),
        ("other", "/private/public", False),
        ("googlebot", "/robots.txt", True),
    ],
)
def test_the_longest_rule_counts(robot: str, path: str, allowed: bool) -> None:
    assert robots.parse(RULES, robot).allows(f"https://a.fr{path}") is allowed


def test_delays_and_sitemaps() -> None:
    read = robots.parse(RULES, "chappebot")
    assert (read.delay, read.sitemaps) == (3.0, ("https://a.fr/sitemap.xml",))
    assert robots.parse("User-agent: *\nCrawl-delay: 9999", "x").delay == 60.0
    assert robots.parse("User-agent: *\nCrawl-delay: soon", "x").delay == 0.0
    both = robots.parse("User-agent: x\nDisallow: /a\nUser-agent: x\nDisallow: /b", "x")
    assert not both.allows("https://a.fr/a") and not both.allows("https://a.fr/b")


@given(st.text("ab*$", max_size=8), st.text("ab$", max_size=10))
def test_a_rule_matches_as_its_pattern_says(rule: str, path: str) -> None:
    pieces = [re.escape(piece) for piece in rule.removesuffix("$").split("*")]
    pattern = ".*".join(pieces) + (r"\Z" if rule.endswith("$") else "")
    assert robots.Rule(rule, True).matches(path) is (re.match(pattern, path) is not None)


def test_a_rule_that_would_take_for_ever() -> None:
    assert not robots.Rule("/" + "a*" * 500 + "b", False).matches("/" + "a" * 2_000)


@given(st.text(max_size=200), st.text(max_size=30))
def test_no_robots_txt_stops_the_reader(text: str, path: str) -> None:
    assert robots.parse(text, "chappebot").allows("https://a.fr/" + path) in (True, False)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://A.fr:443/x/../y#part", "https://a.fr/x/../y"),
        ("https://a.fr", "https://a.fr/"),
        ("https://a.fr/é t?q=1", "https://a.fr/%C3%A9%20t?q=1"),
        ("https://a.fr/%c3%a9", "https://a.fr/%C3%A9"),
        ("https://a.fr/?utm_source=x&id=3&jsessionid=9", "https://a.fr/?id=3"),
        ("https://élan.fr/", "https://xn--lan-9la.fr/"),
        ("http://a.fr:8080/", "http://a.fr:8080/"),
        ("mailto:a@b.fr", None),
        ("javascript:void(0)", None),
        ("https://a.fr/" + "x/" * 40, None),
        ("https://a.fr/a/a/a/a/", None),
        ("https://[bad/", None),
        ("https://a.fr:port/", None),
    ],
)
def test_addresses_in_one_spelling(url: str, normal: str | None) -> None:
    assert pages.normal(url) == normal


@given(st.text(max_size=60))
def test_one_spelling_is_its_own(path: str) -> None:
    once = pages.normal(urljoin("https://a.fr/", path) if not path.startswith("//") else path)
    if once is not None:
        assert pages.normal(once) == once
        assert urlsplit(once).scheme in ("http", "https") and not urlsplit(once).fragment


def test_what_a_page_says() -> None:
    page = pages.read(
        '<base href="/docs/"><a href="a">1</a><a href=a>again</a><a rel="nofollow" href="b">2</a>'
        '<area href="../c"><link rel="canonical" href="/docs/self">'
        '<meta name="robots" content="NoIndex, nofollow"><a href="http://[bad">3</a><a>4</a>',
        "https://a.fr/x/",
    )
    assert page.links == ["https://a.fr/docs/a", "https://a.fr/c"]
    assert page.canonical == "https://a.fr/docs/self"
    assert (page.index, page.follow) == (False, False)


def test_sitemaps_in_their_forms() -> None:
    xml = (
        '<?xml version="1.0"?><x:urlset xmlns:x="http://www.sitemaps.org/schemas/sitemap/0.9">'
        "<x:url><x:loc> https://a.fr/&amp;b </x:loc><x:lastmod>2026-01-02T03:04:05Z</x:lastmod>"
        "</x:url><x:url><x:loc/></x:url></x:urlset>"
    )
    read = sitemap.parse(xml.encode())
    assert [(entry.url, str(entry.date)) for entry in read.pages] == [
        ("https://a.fr/&b", "2026-01-02")
    ]
    assert sitemap.parse(gzip.compress(xml.encode())) == read
    lines = sitemap.parse(b"\xef\xbb\xbfhttps://a.fr/1\nhttps://a.fr/2\n")
    assert [entry.url for entry in lines.pages] == ["https://a.fr/1", "https://a.fr/2"]


@pytest.mark.parametrize(
    "raw",
    [
        b"<html><body>Maintenance</body></html>",
        b"<urlset",
        b"not a list",
        b"",
        b"\x1f\x8bbroken",
        gzip.compress(b"<urlset>" + b" " * (sitemap.MOST_BYTES + 1)),
        b'<!DOCTYPE a [<!ENTITY b "c">]><urlset>&b;</urlset>',
    ],
)
def test_what_is_no_sitemap(raw: bytes) -> None:
    with pytest.raises(sitemap.NotASitemap):
        sitemap.parse(raw)
