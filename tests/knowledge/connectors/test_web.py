import gzip
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from chappe.core.errors import ChappeError
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import Bounds
from chappe.knowledge.connectors.specs import WebDavSpec, WebSpec
from chappe.knowledge.connectors.web import Extent, WebConnector
from knowledge.connectors.listing import listed, remembered
from knowledge.connectors.serving import Reply, site

LOOPBACK = Reach(["127.0.0.0/8"])
SITEMAP = '<?xml version="1.0"?><{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{1}</{0}>'


def connector(url: str, *, bounds: Bounds | None = None, **extent: Any) -> WebConnector:
    prefix = extent.pop("prefix", None)
    return WebConnector(
        url,
        reach=LOOPBACK,
        bounds=bounds or Bounds(),
        extent=Extent(**{"delay": 0.0} | extent),
        prefix=prefix,
    )


def urlset(*pages: tuple[str, str]) -> bytes:
    inside = "".join(
        f"<url><loc>{url}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>"
        for url, day in pages
    )
    return SITEMAP.format("urlset", inside).encode()


def index(*sitemaps: str) -> bytes:
    inside = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in sitemaps)
    return SITEMAP.format("sitemapindex", inside).encode()


async def test_links_are_followed_within_the_part_that_was_asked_for(tmp_path: Path) -> None:
    with site() as web:
        web.page(
            "/docs/", "a.html", "b", "/elsewhere", "https://example.invalid/x", "mailto:a@b.fr"
        )
        web.page("/docs/a.html", "/docs/", "c.pdf", "a.html#part", "a.html?utm_source=lettre")
        web.page("/docs/b", "d/")
        web.page("/docs/d/")
        web.pages["/docs/c.pdf"] = Reply(b"%PDF-1.4", kind="application/pdf")
        web.page("/elsewhere")
        reader = connector(web.url + "/docs/")
        found = await listed(reader, tmp_path)
        assert reader.complete
        names = {item.external_id.removeprefix(web.url): item.name for item in found.values()}
        assert names == {
            "/docs/": "docs.html",
            "/docs/a.html": "a.html",
            "/docs/b": "b.html",
            "/docs/c.pdf": "c.pdf",
            "/docs/d/": "d.html",
        }
        assert len(web.paths()) == 5
        assert web.requests[0][1]["user-agent"].startswith("ChappeBot/")

        shallow = await listed(connector(web.url + "/docs/", depth=1), tmp_path)
        assert [url.removeprefix(web.url) for url in shallow] == ["/docs/", "/docs/a.html",
                                                                  "/docs/b"]  # fmt: skip


async def test_robots_are_respected(tmp_path: Path) -> None:
    with site() as web:
        web.pages["/robots.txt"] = Reply(
            b"User-agent: *\nDisallow: /\n\n"
            b"User-agent: ChappeBot\nDisallow: /private/\nAllow: /private/open$\nDisallow: /*?q=\n",
            kind="text/plain",
        )
        web.page("/", "/private/a", "/private/open", "/search?q=1", "/a", "/b", "/c", "/d")
        web.page("/private/open")
        web.page("/a")
        web.pages["/b"] = Reply(status=301, headers={"location": "/private/a"})
        web.page("/c", head='<meta name="robots" content="noindex">')
        web.page("/d", "/e", head='<meta name="robots" content="nofollow">')
        found = await listed(connector(web.url), tmp_path)
        assert [url.removeprefix(web.url) for url in found] == ["/", "/private/open", "/a", "/d"]
        assert "/search?q=1" not in web.paths()
        assert "/e" not in web.paths()

        web.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /", kind="text/plain")
        with pytest.raises(ChappeError) as refused:
            await listed(connector(web.url), tmp_path)
        assert refused.value.code == "source_robots"
        # A server that fails may have rules: nothing is read.
        web.pages["/robots.txt"] = Reply(status=503)
        with pytest.raises(ChappeError) as refused:
            await listed(connector(web.url), tmp_path)
        assert refused.value.code == "source_unreachable"


async def test_a_pause_between_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("chappe.knowledge.connectors.web.asyncio.sleep", sleep)
    with site() as web:
        web.pages["/robots.txt"] = Reply(b"User-agent: *\nCrawl-delay: 7\n", kind="text/plain")
        web.page("/", "/a")
        web.page("/a")
        await listed(connector(web.url, delay=2.0), tmp_path)
    assert len(pauses) == 2
    assert all(6.0 < pause <= 7.0 for pause in pauses)


async def test_what_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    def page(path: str, etag: str, *links: str) -> Any:
        def answer(headers: dict[str, str]) -> Reply:
            if headers.get("if-none-match") == etag:
                return Reply(status=304)
            anchors = "".join(f'<a href="{link}">x</a>' for link in links)
            return Reply(f"<p>{path} {etag}</p>{anchors}".encode(), headers={"etag": etag})

        return answer

    with site() as web:
        web.pages["/"] = page("/", '"1"', "/a")
        web.pages["/a"] = page("/a", '"1"', "/b")
        web.pages["/b"] = page("/b", '"1"')
        first = await listed(connector(web.url), tmp_path)
        web.pages["/b"] = page("/b", '"2"')
        web.requests.clear()
        reader = connector(web.url)
        second = await listed(reader, tmp_path, remembered(first))
        # Pages that weren't sent still lead to the others.
        assert web.paths() == ["/", "/a", "/b"]
        assert list(second) == list(first)
        changed = [url for url in first if second[url].tag != first[url].tag]
        assert changed == [web.url + "/b"]
        assert second[web.url + "/"].content is None
        # A page that went is not seen; one that fails is, and may be there still.
        del web.pages["/b"]
        third = await listed(reader, tmp_path, remembered(second))
        assert web.url + "/b" not in third and reader.complete
        web.pages["/a"] = Reply(status=500)
        fourth = await listed(reader, tmp_path, remembered(third))
        assert fourth[web.url + "/a"].failure is not None and not reader.complete


async def test_sitemaps(tmp_path: Path) -> None:
    with site() as web:
        for path in ("/a", "/b", "/é", "/unlisted"):
            web.page(path.replace("é", "%C3%A9"), "/unlisted")
        web.pages["/sitemap.xml"] = Reply(
            index(web.url + "/one.xml", web.url + "/two.xml.gz", "https://example.invalid/s.xml"),
            kind="application/xml",
        )
        web.pages["/one.xml"] = Reply(urlset((web.url + "/a", "2026-01-02")))
        web.pages["/two.xml.gz"] = Reply(
            gzip.compress(urlset((web.url + "/b", ""), (web.url + "/é", ""),
                                 ("https://example.invalid/", ""))),
            kind="application/gzip",
        )  # fmt: skip
        reader = connector(web.url + "/sitemap.xml")
        first = await listed(reader, tmp_path)
        assert [url.removeprefix(web.url) for url in first] == ["/a", "/b", "/%C3%A9"]
        web.requests.clear()
        # What the sitemap dates isn't asked for again before its date changes.
        second = await listed(reader, tmp_path, remembered(first))
        assert {url: item.tag for url, item in second.items()} == {
            url: item.tag for url, item in first.items()
        }
        assert "/a" not in web.paths() and "/b" in web.paths()
        web.pages["/one.xml"] = Reply(b"<html>Maintenance</html>")
        with pytest.raises(ChappeError) as refused:
            await listed(reader, tmp_path)
        assert refused.value.code == "source_unreachable"


async def test_one_page_under_several_addresses_is_one(tmp_path: Path) -> None:
    with site() as web:
        web.page("/", "/a?print=1", "/moved", "/loop1")
        web.page("/a?print=1", head='<link rel="canonical" href="/a">')
        web.page("/a")
        web.pages["/moved"] = Reply(status=301, headers={"location": "/a"})
        web.page("/loop1", head='<link rel="canonical" href="/loop2">')
        web.page("/loop2", head='<link rel="canonical" href="/loop1">')
        found = await listed(connector(web.url), tmp_path)
        assert sorted(url.removeprefix(web.url) for url in found) == ["/", "/a", "/loop2"]


async def test_bounds(tmp_path: Path) -> None:
    with site() as web:
        web.page("/", *(f"/{number}" for number in range(9)))
        for number in range(9):
            web.page(f"/{number}")
        few = connector(web.url, pages=4)
        assert len(await listed(few, tmp_path)) == 4
        assert not few.complete
        web.pages["/3"] = Reply(b"x" * 5000)
        web.pages["/4"] = Reply(
            gzip.compress(b"<p>" + b"0" * 50_000_000), headers={"content-encoding": "gzip"}
        )
        small = connector(web.url, bounds=Bounds(file_bytes=4000))
        found = await listed(small, tmp_path)
        failures = {
            url.removeprefix(web.url): item.failure.code
            for url, item in found.items()
            if item.failure
        }
        assert failures == {"/3": "source_too_large", "/4": "source_too_large"}
        web.pages["/"] = Reply(status=302, headers={"location": "/"})
        with pytest.raises(ChappeError) as refused:
            await listed(connector(web.url), tmp_path)
        assert refused.value.code == "source_unreachable"


async def test_the_encoding_that_the_server_says_is_kept(tmp_path: Path) -> None:
    with site() as web:
        web.pages["/"] = Reply(
            '<meta charset="utf-8"><p>Ключ за 30 дней</p>'.encode("koi8-r"),
            kind="text/html; charset=koi8-r",
        )
        found = await listed(connector(web.url), tmp_path)
        content = found[web.url + "/"].content
        assert content is not None
        assert "Ключ за 30 дней" in content.read_text("utf-8-sig")


@pytest.mark.parametrize(
    ("host", "address", "is_open"),
    [
        ("a.fr", "93.184.216.34", True),
        ("a.fr", "127.0.0.1", False),
        ("a.fr", "10.1.2.3", False),
        ("a.fr", "::1", False),
        ("a.fr", "::ffff:10.1.2.3", False),
        ("a.fr", "64:ff9b::a01:203", False),
        ("a.fr", "fe80::1%eth0", False),
        ("a.fr", "169.254.169.254", False),
        ("intranet.example", "10.1.2.3", True),
        ("a.fr", "192.168.7.8", True),
        ("intranet.example", "169.254.169.254", False),
        ("a.fr", "224.0.0.1", False),
        ("a.fr", "0.0.0.0", False),
    ],
)
def test_which_addresses_are_open(host: str, address: str, is_open: bool) -> None:
    reach = Reach(["intranet.example", "192.168.0.0/16", "169.254.0.0/16"])
    assert reach.open(host, address) is is_open


async def test_a_site_may_not_lead_into_the_network(tmp_path: Path) -> None:
    with site() as web:
        web.page("/")
        closed = WebConnector(web.url, reach=Reach(), bounds=Bounds(), extent=Extent())
        with pytest.raises(ChappeError) as refused:
            await listed(closed, tmp_path)
        assert refused.value.code == "source_address"
        assert web.requests == []
        # Opened, and yet not by way of a redirection to what never is.
        web.pages["/"] = Reply(status=302, headers={"location": "http://169.254.169.254/latest/"})
        with pytest.raises(ChappeError) as refused:
            await listed(connector(web.url), tmp_path)
        assert refused.value.code == "source_address"


@pytest.mark.parametrize(
    "address", ["::127.0.0.1", "fec0::1", "64:ff9b:1::7f00:1", "::ffff:10.0.0.1", "2002:a00:1::"]
)
def test_forms_of_inner_addresses_are_closed(address: str) -> None:
    assert not Reach().open("exemple.fr", address)
    assert Reach().open("exemple.fr", "2a00:1450:4007::1")


def test_an_address_holds_no_password() -> None:
    assert WebSpec(url="https://exemple.fr/a@b").url
    for made in (WebSpec, WebDavSpec):
        with pytest.raises(ValidationError):
            made(url="https://ana:secret@exemple.fr/")
