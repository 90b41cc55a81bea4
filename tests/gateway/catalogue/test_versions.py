"""Two operators who save the same object: the second is told, and loses nothing of the first's."""

import asyncio
from typing import Any

import httpx2
import pytest

from gateway_tower import Tower

LIMIT = {"subject": "installation", "measure": "requests", "period": "day", "amount": 5}
WHICH = "?subject=installation&measure=requests&period=day"
# Where it is listed, where it is changed, what it is at first, a change of it, where it is removed.
KINDS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], str | None]] = {
    "model": ("/models", "/models/m", {"name": "m"}, {"context": 1000}, "/models/m"),
    "endpoint": (
        "/endpoints", "/endpoints/e", {"name": "e", "url": "http://h/v1"}, {"site": "s"},
        "/endpoints/e",
    ),
    "organisation": (
        "/organisations", "/organisations/o", {"slug": "o"}, {"weight": 2.5}, None,
    ),
    "limit": ("/limits", "/limits", LIMIT, {"amount": 6}, f"/limits{WHICH}"),
}  # fmt: skip


def shown(kind: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    """The object of the test, in a list that may have others."""
    if kind == "organisation":
        return next(row for row in listed if row["slug"] == "o")
    return listed[0]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_version_that_was_not_seen_is_not_overwritten(
    operator: httpx2.AsyncClient, kind: str
) -> None:
    listed, place, first, change, removed = KINDS[kind]
    assert (await operator.put(place, json=first)).status_code == 204
    seen = shown(kind, (await operator.get(listed)).json())["etag"]
    if kind != "limit":
        assert (await operator.get(place)).headers["etag"] == seen
    match = {"if-match": seen}
    assert (await operator.put(place, json=first | change, headers=match)).status_code == 204
    late = await operator.put(place, json=first, headers=match)
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert "reprenez" in late.json()["detail"]
    now = shown(kind, (await operator.get(listed)).json())
    told = now["endpoint"] if kind == "endpoint" else now
    ((name, value),) = change.items()
    assert told[name] == value, "what the first saved is there"
    assert now["etag"] != seen
    if removed is not None:
        assert (await operator.delete(removed, headers=match)).status_code == 412
    # Who says nothing of versions does as before; what was, is.
    assert (await operator.put(place, json=first)).status_code == 204
    assert shown(kind, (await operator.get(listed)).json())["etag"] == seen
    both = {"if-match": f'"other", {seen}'}
    assert (await operator.put(place, json=first, headers=both)).status_code == 204
    if removed is not None:
        assert (await operator.delete(removed, headers=match)).status_code == 204
        assert (await operator.put(place, json=first, headers=match)).status_code == 412
        anything = {"if-match": "*"}
        assert (await operator.put(place, json=first, headers=anything)).status_code == 412


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_new_does_not_replace_what_exists(
    operator: httpx2.AsyncClient, kind: str
) -> None:
    _, place, first, change, _ = KINDS[kind]
    new = {"if-none-match": "*"}
    assert (await operator.put(place, json=first, headers=new)).status_code == 204
    again = await operator.put(place, json=first | change, headers=new)
    assert (again.status_code, again.json()["code"]) == (412, "exists_already")


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_at_the_same_moment_one_is_told(
    operator: httpx2.AsyncClient, kind: str
) -> None:
    listed, place, first, change, removed = KINDS[kind]
    ((name, value),) = change.items()
    assert (await operator.put(place, json=first)).status_code == 204
    for turn in range(10):
        match = {"if-match": shown(kind, (await operator.get(listed)).json())["etag"]}
        values: list[Any] = [f"{value}-{turn}-1", f"{value}-{turn}-2"]
        if not isinstance(value, str):
            values = [value + turn + 1, value + turn + 100]
        answers = await asyncio.gather(
            *(operator.put(place, json=first | {name: v}, headers=match) for v in values)
        )
        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [204, 412]
        now = shown(kind, (await operator.get(listed)).json())
        told = now["endpoint"] if kind == "endpoint" else now
        assert told[name] == values[statuses.index(204)]
    if removed is not None:
        match = {"if-match": shown(kind, (await operator.get(listed)).json())["etag"]}
        answers = await asyncio.gather(
            operator.delete(removed, headers=match),
            operator.put(place, json=first, headers=match),
        )
        assert sorted(answer.status_code for answer in answers) == [204, 412]


async def test_what_others_do_to_an_object_is_another_version(
    operator: httpx2.AsyncClient,
) -> None:
    """Draining a server changes what a form would write back; what is used of a limit doesn't."""
    await operator.put("/endpoints/e", json={"name": "e", "url": "http://h/v1"})
    seen = {"if-match": (await operator.get("/endpoints/e")).headers["etag"]}
    await operator.post("/endpoints/e/drain")
    body = {"name": "e", "url": "http://h/v1", "drained": False}
    assert (await operator.put("/endpoints/e", json=body, headers=seen)).status_code == 412
    assert (await operator.get("/endpoints/e")).json()["endpoint"]["drained"] is True


async def test_what_a_list_shows_can_be_written_back(operator: httpx2.AsyncClient) -> None:
    await operator.put("/models/m", json={"name": "m"})
    await operator.put("/organisations/o", json={"slug": "o"})
    (model,) = (await operator.get("/models")).json()
    assert "etag" in model
    assert (await operator.put("/models/m", json=model)).status_code == 204
    organisation = (await operator.get("/organisations/o")).json()
    assert (await operator.put("/organisations/o", json=organisation)).status_code == 204
    assert (await operator.get("/organisations/nowhere")).status_code == 404


async def test_a_limit_of_a_key_is_found_by_the_name_of_the_key(
    gate: Tower, operator: httpx2.AsyncClient
) -> None:
    limit = {"subject": "key:operator", "measure": "requests", "period": "day", "amount": 5}
    await operator.put("/limits", json=limit)
    ((listed),) = (await operator.get("/limits")).json()
    match = {"if-match": listed["etag"]}
    changed = await operator.put("/limits", json=limit | {"amount": 6}, headers=match)
    assert changed.status_code == 204
