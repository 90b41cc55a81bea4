"""The permission walk: whoever may not read a collection can't tell it from one that isn't there.

Every route that names a collection, a document or a load, each way of calling it, is tried by
everybody who may not, on a real one and on one that doesn't exist: the answers are the same.
"""

import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knowledge.collection_world import World, world

SECRET = "La nuance du secret est violet cobalt."
OUTSIDERS = ("lyon/ben", "nantes/cleo", "nantes/dan", "machine")


@pytest.fixture
async def two(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def secret(two: World) -> dict[str, str]:
    """What Ana has: the values of a route's parameters, of hers, and of what doesn't exist."""
    made = await two.call("lyon/ana", "POST", "collections", json={"title": "Secrets"})
    slug = made.json()["slug"]
    taken = await two.upload("lyon/ana", slug, secret=SECRET.encode())
    await two.settled()
    [load] = (await two.call("lyon/ana", "GET", "loads")).json()
    return {"slug": slug, "document_id": taken.json()[0]["id"], "load_id": str(load["id"])}


def absent() -> dict[str, str]:
    return {"slug": "absente", "document_id": str(uuid.uuid4()), "load_id": "999999"}


OTHERS = {
    "number": "1", "kind": "person", "subject": "ben", "source_id": "1", "name": "x", "run_id": "1",
}  # fmt: skip
BODIES: dict[str, Any] = {
    "PATCH /api/collections/{slug}": {"title": "Pris"},
    "PUT /api/collections/{slug}/grants/{kind}/{subject}": {"role": "reader"},
}


def routes(two: World) -> list[tuple[str, str]]:
    """Method and path of every route that names something that somebody may not read."""
    from chappe.server.app import build_app

    paths = build_app(two.runtime)._app._api.openapi()["paths"]
    found = [
        (method.upper(), path)
        for path, methods in paths.items()
        if re.search(r"\{(slug|document_id|load_id)\}", path) and "/admin/" not in path
        for method in methods
    ]
    assert len(found) >= 15
    return found


async def ask(two: World, who: str, method: str, path: str, named: dict[str, str]) -> Any:
    more: dict[str, Any] = {}
    key = f"{method} {path}"
    if key.endswith("documents") and method == "POST":
        more["files"] = [("files", ("pris.txt", b"pris"))]
    elif method in ("POST", "PUT", "PATCH"):
        more["json"] = BODIES.get(key, {})
    if path.endswith("/boxes"):
        more["params"] = {"start": 0, "end": 1}
    filled = path.format(**OTHERS, **named).removeprefix("/api/")
    answer = await two.call(who, method, filled, **more)
    told = answer.text
    for value in named.values():
        told = told.replace(value, "…")
    return answer.status_code, re.sub(r'"request_id": ?"[^"]*"', "", told)


async def test_what_one_may_not_read_is_as_if_it_were_not(
    two: World, secret: dict[str, str]
) -> None:
    before = await two.query("select name, state, updated_at from document")
    for method, path in routes(two):
        for who in OUTSIDERS:
            real = await ask(two, who, method, path, secret)
            nothing = await ask(two, who, method, path, absent())
            assert real == nothing, f"{who} {method} {path}"
            assert real[0] in (403, 404, 422), f"{who} {method} {path}: {real}"
            assert real[0] != 403 or "scope" in real[1], f"{who} {method} {path}: {real}"
            assert "cobalt" not in real[1]
    assert await two.query("select name, state, updated_at from document") == before
    for who in OUTSIDERS:
        assert await two.found(who, "nuance du secret violet") == []
        named = [
            await two.call(who, "POST", "search", json={"query": "violet", "collections": [slug]})
            for slug in (secret["slug"], "absente")
        ]
        told = [
            (a.status_code, a.text.replace(s, "…").split("request_id")[0])
            for a, s in zip(named, (secret["slug"], "absente"), strict=True)
        ]
        assert told[0] == told[1] and told[0][0] == 404
        for path in ("collections", "loads", "status"):
            assert secret["slug"] not in (await two.call(who, "GET", path)).text
        answer = await two.call(who, "POST", "ask", json={"question": "nuance du secret violet ?"})
        assert "cobalt" not in answer.text
    seen = await two.call("lyon/ana", "POST", "ask", json={"question": "nuance du secret ?"})
    assert "cobalt" in seen.text


async def test_without_a_key_nothing_is_told(two: World, secret: dict[str, str]) -> None:
    for method, path in routes(two):
        status, told = await ask_without_key(two, method, path, secret)
        assert status == 401 and "cobalt" not in told, f"{method} {path}"


async def ask_without_key(
    two: World, method: str, path: str, named: dict[str, str]
) -> tuple[int, str]:
    filled = path.format(**OTHERS, **named).removeprefix("/api/")
    answer = await two.call(None, method, filled)
    return answer.status_code, answer.text


async def test_what_is_shared_no_more_is_out_of_the_next_answer(
    two: World, secret: dict[str, str]
) -> None:
    path = f"collections/{secret['slug']}/grants/person/ben"
    question = {"question": "Quelle est la nuance du secret ?"}
    for _ in range(2):
        await two.call("lyon/ana", "PUT", path, json={"role": "reader"})
        assert "cobalt" in (await two.call("lyon/ben", "POST", "ask", json=question)).text
        await two.call("lyon/ana", "DELETE", path)
        assert "cobalt" not in (await two.call("lyon/ben", "POST", "ask", json=question)).text
    await two.call("lyon/ana", "PUT", path, json={"role": "reader"})
    await two.call("lyon/ana", "DELETE", f"documents/{secret['document_id']}")
    for who in ("lyon/ana", "lyon/ben"):
        assert "cobalt" not in (await two.call(who, "POST", "ask", json=question)).text
        assert await two.found(who, "nuance") == []


async def test_a_removed_collection_is_nobody_s(two: World, secret: dict[str, str]) -> None:
    slug = secret["slug"]
    assert (await two.call("lyon/ana", "DELETE", f"collections/{slug}")).status_code == 204
    assert await two.found("lyon/ana", "nuance") == []
    for path in (f"collections/{slug}", f"documents/{secret['document_id']}"):
        assert (await two.call("lyon/ana", "GET", path)).status_code == 404
    again = await two.call("lyon/ben", "POST", "collections", json={"title": "S", "slug": slug})
    assert again.status_code == 201
    assert await two.found("lyon/ben", "nuance") == []


async def test_the_page_of_a_loopback_installation_fills_what_it_made(
    database_url: str, tmp_path: Path
) -> None:
    async with world(database_url, tmp_path, anonymous=True) as two:
        hidden = await two.call("lyon/ana", "POST", "collections", json={"title": "Secrets"})
        made = await two.call(None, "POST", "collections", json={"title": "Démo"})
        assert (made.json()["role"], made.json()["public"]) == ("owner", True)
        taken = await two.upload(None, "demo", a=b"Le badge est gratuit.")
        assert taken.status_code == 202
        await two.settled()
        assert await two.found(None, "badge") == ["Le badge est gratuit."]
        for slug in (hidden.json()["slug"], "absente"):
            assert (await two.upload(None, slug, a=b"x")).status_code == 404
        await two.query("update collection set source = 'archive' where slug = 'demo'")
        kept = await two.upload(None, "demo", b=b"x")
        assert kept.status_code == 403


async def test_a_page_that_anybody_reaches_only_reads(database_url: str, tmp_path: Path) -> None:
    async with world(database_url, tmp_path, anonymous=True, host="0.0.0.0") as two:
        assert (await two.call(None, "GET", "collections")).status_code == 200
        made = await two.call(None, "POST", "collections", json={"title": "Démo"})
        assert made.status_code == 401
