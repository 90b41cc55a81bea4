"""Sources by HTTP, run by the worker: who may, what is told, what comes in and goes out."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knowledge.collection_world import World, world
from knowledge.connectors.serving import webdav

OUTSIDERS = ("lyon/ben", "nantes/cleo", "machine")


@pytest.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    settings = {
        "source_folders": [tmp_path / "shares", tmp_path / "beside"],
        "source_networks": ["127.0.0.0/8"],
    }
    async with world(database_url, tmp_path / "data", **settings) as made:
        answer = await made.call("lyon/ana", "POST", "collections", json={"title": "Notes"})
        assert answer.json()["slug"] == "notes"
        yield made


def put(folder: Path, name: str, content: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    os.utime(folder / name, (1_000_000_000, 1_000_000_000))


async def ended(town: World, source_id: int, after: int = 0) -> dict[str, Any]:
    """The view of a source once a run that is newer than that load has ended."""
    async with asyncio.timeout(30):
        while True:
            view = (await town.call("lyon/ana", "GET", f"sources/{source_id}")).json()
            last = view["last"]
            if last and last["id"] > after and last["state"] != "running":
                return dict(view)
            await asyncio.sleep(0.05)


async def run(town: World, source_id: int, **wanted: Any) -> dict[str, Any]:
    """Have a source run, and wait for the end; gives its view."""
    before = (await town.call("lyon/ana", "GET", f"sources/{source_id}")).json()["last"]
    answer = await town.call("lyon/ana", "POST", f"sources/{source_id}/sync", json=wanted)
    assert answer.status_code == 202
    return await ended(town, source_id, before["id"] if before else 0)


async def test_a_folder_from_adding_to_answering(town: World, tmp_path: Path) -> None:
    share = tmp_path / "shares" / "notes"
    put(share, "canard.txt", "Le canard colvert mange des lentilles d'eau.")
    put(share, "oie.txt", "L'oie cendrée broute.")
    put(share, "cygne.txt", "Le cygne tuberculé nage.")
    made = await town.call(
        "lyon/ana",
        "POST",
        "collections/notes/sources",
        json={"spec": {"kind": "folder", "path": str(share)}},
    )
    assert made.status_code == 201, made.text
    source = made.json()
    assert (source["items"], source["last"], source["next_run_at"]) == (0, None, None)
    view = await run(town, source["id"])
    assert (view["last"]["added"], view["last"]["state"], view["items"]) == (3, "done", 3)
    assert view["last"]["origin"] == "folder"
    assert await town.found("lyon/ana", "canard colvert")
    assert await town.found("lyon/ben", "canard colvert") == []

    (share / "canard.txt").unlink()
    put(share, "oie.txt", "L'oie cendrée migre en octobre.")
    view = await run(town, source["id"])
    last = view["last"]
    assert (last["changed"], last["removed"], last["unchanged"]) == (1, 1, 1)
    assert not any("colvert" in text for text in await town.found("lyon/ana", "canard colvert"))
    assert any("octobre" in text for text in await town.found("lyon/ana", "oie octobre"))

    # The share goes away: nothing else does, and it is said why.
    shutil.move(share, tmp_path / "elsewhere")
    view = await run(town, source["id"])
    assert view["last"]["state"] == "failed"
    assert view["last"]["detail"]["reason"]["code"] == "errors.source_missing"
    assert any("octobre" in text for text in await town.found("lyon/ana", "oie octobre"))

    gone = await town.call("lyon/ana", "DELETE", f"sources/{source['id']}")
    assert gone.status_code == 204
    # What it brought is now Ana's own.
    kept = (await town.call("lyon/ana", "GET", "collections/notes/documents")).json()
    assert sorted(item["name"] for item in kept["documents"]) == ["cygne.txt", "oie.txt"]
    assert await town.query("select 1 from document where source <> ''") == []
    await beside_each_other(town, tmp_path / "beside")
    await by_itself(town, tmp_path / "shares")


async def by_itself(town: World, share: Path) -> None:
    """A source with a schedule runs as soon as it is added."""
    put(share / "scheduled", "a.txt", "Le héron cendré pêche.")
    made = await town.call(
        "lyon/ana",
        "POST",
        "collections/notes/sources",
        json={
            "spec": {"kind": "folder", "path": str(share / "scheduled")},
            "every_seconds": 3600,
        },
    )
    view = await ended(town, made.json()["id"])
    assert view["last"]["added"] == 1
    assert view["next_run_at"] > view["last"]["started_at"]
    [(by,)] = await town.query("select requested_by from load order by id desc limit 1")
    assert by == "schedule"


async def test_who_may(town: World, tmp_path: Path) -> None:
    body = {
        "spec": {"kind": "webdav", "url": "https://dav.example/x", "user": "ana"},
        "secret": "mot-de-passe",
    }
    made = await town.call("lyon/ana", "POST", "collections/notes/sources", json=body)
    source_id = made.json()["id"]
    assert made.json()["has_secret"] is True
    assert "mot-de-passe" not in made.text

    calls = [
        ("GET", "collections/{slug}/sources", None),
        ("POST", "collections/{slug}/sources", body),
        ("GET", "sources/{id}", None),
        ("PATCH", "sources/{id}", {"enabled": False}),
        ("POST", "sources/{id}/sync", {}),
        ("DELETE", "sources/{id}", None),
    ]

    async def answers(who: str, slug: str, number: int) -> list[tuple[int, str]]:
        told = []
        for method, path, content in calls:
            answer = await town.call(who, method, path.format(slug=slug, id=number), json=content)
            shown = answer.json()
            shown.pop("request_id", None)
            told.append((answer.status_code, str(shown).replace(slug, "?").replace(
                str(number), "?")))  # fmt: skip
        return told

    for outsider in OUTSIDERS:
        real = await answers(outsider, "notes", source_id)
        assert real == await answers(outsider, "absente", 987_654)
        assert {status for status, _ in real} == {404}
        assert (await town.call(outsider, "GET", "sources")).json() == []
    # A reader sees the collection, and not what fills it.
    grant = "collections/notes/grants/person/ben"
    granted = await town.call("lyon/ana", "PUT", grant, json={"role": "reader"})
    assert granted.status_code in (200, 204), granted.text
    reader = await answers("lyon/ben", "notes", source_id)
    assert [status for status, _ in reader] == [403, 403, 404, 404, 404, 404]
    assert (await town.call("lyon/manager", "GET", f"sources/{source_id}")).status_code == 200
    assert [row for row in await town.query("select secret from source") if row[0]]

    acts = {row[0] for row in await town.query("select action from audit_entry")}
    assert "source.put" in acts
    told = await town.query("select string_agg(detail::text, ' ') from audit_entry")
    assert "mot-de-passe" not in str(told)
    await no_secret_elsewhere(town)
    await refusals(town)


async def no_secret_elsewhere(town: World) -> None:
    """A secret doesn't follow to another server."""
    spec = {"kind": "webdav", "url": "https://dav.example/x", "user": "ana"}
    made = await town.call(
        "lyon/ana",
        "POST",
        "collections/notes/sources",
        json={"spec": spec, "secret": "s", "name": "other"},
    )
    path = f"sources/{made.json()['id']}"
    same = spec | {"url": "https://dav.example/y"}
    moved = spec | {"url": "https://evil.example/y"}
    kept = await town.call("lyon/ana", "PATCH", path, json={"spec": same})
    assert kept.json()["has_secret"] is True
    lost = await town.call("lyon/ana", "PATCH", path, json={"spec": moved})
    assert lost.json()["has_secret"] is False
    other = await town.call(
        "lyon/ana", "PATCH", path, json={"spec": {"kind": "folder", "path": "/"}}
    )
    assert other.status_code == 422


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"spec": {"kind": "folder", "path": "/etc"}}, 422, "source_folder"),
    ({"spec": {"kind": "folder", "path": "relative"}}, 422, "invalid_request"),
    ({"spec": {"kind": "web", "url": "ftp://a.fr/"}}, 422, "invalid_request"),
    ({"spec": {"kind": "web", "url": "https://a.fr/", "pages": 10**9}}, 422, "invalid_request"),
    ({"spec": {"kind": "ftp"}}, 422, "invalid_request"),
    ({"spec": {"kind": "s3", "bucket": "notes"}, "name": "a\x00b"}, 422, "invalid_request"),
    ({"spec": {"kind": "s3", "bucket": "notes", "prefix": "a\x00b"}}, 422, "invalid_request"),
    ({"spec": {"kind": "official"}}, 422, "source_official"),
    ({"spec": {"kind": "official", "name": "absent"}}, 404, "unknown_source"),
    ({"spec": {"kind": "s3", "bucket": "notes"}, "every_seconds": 5}, 422, "invalid_request"),
]


async def refusals(town: World) -> None:
    """What can't be added is refused with a sentence in the reader's language."""
    for body, status, code in REFUSED:
        details = set()
        for language in ("fr", "en"):
            answer = await town.call(
                "lyon/ana",
                "POST",
                "collections/notes/sources",
                json=body,
                headers={"accept-language": language},
            )
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
            details.add(answer.json()["detail"])
        assert len(details) == 2


async def beside_each_other(town: World, tmp_path: Path) -> None:
    """Two sources and what people upload fill one collection."""
    put(tmp_path / "shares", "a.txt", "Le geai des chênes.")
    put(tmp_path / "dav", "a.txt", "La pie bavarde.")
    await town.upload("lyon/ana", "notes", a=b"Le merle noir.")
    with webdav(tmp_path / "dav") as url:
        for spec in (
            {"kind": "folder", "path": str(tmp_path / "shares")},
            {"kind": "webdav", "url": url},
        ):
            made = await town.call(
                "lyon/ana", "POST", "collections/notes/sources", json={"spec": spec}
            )
            view = await run(town, made.json()["id"])
            assert (view["last"]["added"], view["last"]["removed"]) == (1, 0)
    await town.settled()
    [(number,)] = await town.query("select count(*) from document where name = 'a.txt'")
    assert number == 3
    again = await town.call("lyon/ana", "POST", "collections/notes/sources", json={"spec": spec})
    assert (again.status_code, again.json()["code"]) == (409, "source_exists")
