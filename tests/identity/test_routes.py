"""Administration of keys, people and groups: each organisation its own, and nothing tells more."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from identity.world import World, world


@pytest.fixture
async def two(database_url: str) -> AsyncIterator[World]:
    async with world(database_url) as made:
        yield made


async def test_an_operator_makes_replaces_and_revokes(two: World) -> None:
    made = await two.call("operator", "POST", "keys", {"name": "poste", "organisation": "lyon"})
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    key_id, first = made.json()["id"], made.json()["key"]
    two.keys["new"] = first
    assert (await two.call("new", "GET", "me")).json()["organisation"] == "lyon"

    rotated = await two.call("operator", "POST", f"keys/{key_id}/rotate", {"hours": 1})
    two.keys["newer"] = rotated.json()["key"]
    for name in ("new", "newer"):
        me = await two.call(name, "GET", "me")
        assert me.json()["name"] == f"key:{key_id}"
    await two.query(
        "update api_key set previous_expires_at = now() - interval '1 s' where id = %s", key_id
    )
    assert (await two.call("new", "GET", "me")).status_code == 401
    assert (await two.call("newer", "GET", "me")).status_code == 200

    at_once = await two.call("operator", "POST", f"keys/{key_id}/rotate", {"hours": 0})
    assert (await two.call("newer", "GET", "me")).status_code == 401
    two.keys["newest"] = at_once.json()["key"]
    assert (await two.call("operator", "DELETE", f"keys/{key_id}")).status_code == 204
    assert (await two.call("newest", "GET", "me")).status_code == 401
    for method, path, body in (
        ("DELETE", f"keys/{key_id}", None),
        ("POST", f"keys/{key_id}/rotate", {}),
    ):
        assert (await two.call("operator", method, path, body)).status_code == 404
    acts = await two.query(
        "select action from audit_entry where object = %s order by sequence", key_id
    )
    assert [act for (act,) in acts] == ["key.create", "key.rotate", "key.rotate", "key.revoke"]


async def test_a_manager_sees_only_its_organisation(two: World) -> None:
    for slug in ("lyon", "nantes"):
        who = f"{slug}/manager"
        assert (await two.call(who, "POST", "people", {"name": "Ada"})).status_code == 201
        assert (await two.call(who, "POST", "groups", {"slug": "etudes"})).status_code == 201
    for path in ("keys", "people", "groups"):
        seen = (await two.call("lyon/manager", "GET", path)).json()
        assert seen and {row["organisation"] for row in seen} == {"lyon"}
        everything = (await two.call("operator", "GET", path)).json()
        assert {"lyon", "nantes"} <= {row["organisation"] for row in everything}
        one = (await two.call("operator", "GET", f"{path}?organisation=nantes")).json()
        assert one and {row["organisation"] for row in one} == {"nantes"}
    for row in (await two.call("lyon/manager", "GET", "keys")).json():
        assert "digest" not in str(row) and len(row["prefix"]) == 8
    log = (await two.call("lyon/manager", "GET", "audit?limit=500")).json()
    assert {entry["object"] for entry in log if entry["action"] == "person.add"} == {"lyon/Ada"}
    assert not any("nantes" in str(entry) for entry in log)


async def calls_on(two: World, slug: str) -> list[tuple[str, str, Any]]:
    """Every call that names something of an organisation."""
    key = await two.key_id(f"{slug}/user")
    (group,), = await two.query(
        "select g.id from person_group g join organisation o on o.id = g.organisation_id"
        " where o.slug = %s", slug,
    )  # fmt: skip
    (person,), = await two.query(
        "select p.id from person p join organisation o on o.id = p.organisation_id"
        " where o.slug = %s and p.name = 'user'", slug,
    )  # fmt: skip
    return [
        ("GET", f"keys?organisation={slug}", None),
        ("GET", f"people?organisation={slug}", None),
        ("GET", f"groups?organisation={slug}", None),
        ("POST", "keys", {"name": "x", "organisation": slug}),
        ("POST", "people", {"name": "x", "organisation": slug}),
        ("POST", "groups", {"slug": "x", "organisation": slug}),
        ("POST", f"keys/{key}/rotate", {}),
        ("DELETE", f"keys/{key}", None),
        ("PUT", f"groups/{group}/members/{person}", None),
        ("DELETE", f"groups/{group}/members/{person}", None),
        ("PUT", f"groups/{group}", {"slug": "renamed", "name": "x"}),
        ("DELETE", f"groups/{group}", None),
        ("DELETE", f"people/{person}", None),
    ]


def absent(call: tuple[str, str, Any]) -> tuple[str, str, Any]:
    """The same call, on something that doesn't exist."""
    method, path, body = call
    parts = [str(uuid.uuid4()) if len(part) == 36 else part for part in path.split("/")]
    text = "/".join(parts).replace("organisation=nantes", "organisation=nowhere")
    if body and "organisation" in body:
        body = body | {"organisation": "nowhere"}
    return method, text, body


def without_names(text: str, call: tuple[str, str, Any]) -> str:
    for name in ("nantes", "nowhere", *call[1].split("/")):
        text = text.replace(name, "…")
    return text


async def test_what_is_another_organisations_answers_as_what_does_not_exist(two: World) -> None:
    await two.call("nantes/manager", "POST", "groups", {"slug": "etudes"})
    before = await two.query("select count(*) from audit_entry where outcome = 'done'")
    for call in await calls_on(two, "nantes"):
        theirs = await two.call("lyon/manager", *call)
        nobodys_call = absent(call)
        nobodys = await two.call("lyon/manager", *nobodys_call)
        assert theirs.status_code == nobodys.status_code == 404, call
        assert without_names(theirs.text, call) == without_names(nobodys.text, nobodys_call)
    assert await two.query("select count(*) from audit_entry where outcome = 'done'") == before
    refused = await two.query("select distinct action from audit_entry where outcome = 'refused'")
    assert {action for (action,) in refused} >= {
        "key.list", "key.create", "key.rotate", "key.revoke", "person.add", "group.join",
        "group.leave", "group.remove", "group.rename", "person.remove",
    }  # fmt: skip
    for call in await calls_on(two, "nantes"):
        assert (await two.call("operator", *call)).status_code < 300, call


async def test_a_plain_key_administers_nothing(two: World) -> None:
    await two.call("lyon/manager", "POST", "groups", {"slug": "etudes"})
    for call in (*await calls_on(two, "lyon"), ("GET", "audit", None), ("GET", "keys", None)):
        assert (await two.call("lyon/user", *call)).status_code == 403, call
    for who in ("lyon/user", "lyon/manager"):
        assert (await two.call(who, "GET", "audit/verification")).status_code == 403
    assert (await two.call("operator", "GET", "audit/verification")).json()["holds"] is True


@pytest.mark.parametrize("scope", ["operate"])
async def test_a_manager_hands_on_no_more_than_it_may(two: World, scope: str) -> None:
    body = {"name": "x", "scopes": ["models", scope]}
    refused = await two.call("lyon/manager", "POST", "keys", body)
    assert refused.status_code == 403 and refused.json()["code"] == "scope_missing"
    granted = await two.call(
        "lyon/manager", "POST", "keys", {"name": "x", "scopes": ["models", "manage"]}
    )
    assert granted.status_code == 201


async def test_a_manager_cannot_take_over_an_operators_key(two: World) -> None:
    """An operator's key lives in some organisation too: its manager must not get its secret."""
    made = await two.call(
        "operator", "POST", "keys", {"name": "o", "scopes": ["operate"], "organisation": "lyon"}
    )
    key_id = made.json()["id"]
    for method, path, body in (
        ("POST", f"keys/{key_id}/rotate", {}),
        ("DELETE", f"keys/{key_id}", None),
    ):
        assert (await two.call("lyon/manager", method, path, body)).status_code == 403
    two.keys["o"] = made.json()["key"]
    assert (await two.call("o", "GET", "keys")).status_code == 200


async def test_sensitivity_only_rises_from_a_key_to_those_that_it_makes(two: World) -> None:
    made = await two.call(
        "operator", "POST", "keys",
        {"name": "m", "scopes": ["models", "manage"], "organisation": "lyon", "level": 1},
    )  # fmt: skip
    two.keys["internal"] = made.json()["key"]
    lower = await two.call("internal", "POST", "keys", {"name": "x", "level": 0})
    assert lower.status_code == 422
    own = await two.call("internal", "POST", "keys", {"name": "x"})
    assert await two.query("select level from api_key where id = %s", own.json()["id"]) == [(1,)]
    open_key = await two.key_id("lyon/user")
    taken = await two.call("internal", "POST", f"keys/{open_key}/rotate", {})
    assert taken.status_code == 403


async def test_groups_reach_the_actor_of_their_members_keys(two: World) -> None:
    group = (await two.call("lyon/manager", "POST", "groups", {"slug": "etudes"})).json()["id"]
    people = (await two.call("lyon/manager", "GET", "people")).json()
    person = next(row["id"] for row in people if row["name"] == "user")
    authorization = f"Bearer {two.keys['lyon/user']}".encode()
    assert (await two.cache.fetch(authorization)).groups == frozenset()
    for _ in range(2):
        joined = await two.call("lyon/manager", "PUT", f"groups/{group}/members/{person}")
        assert joined.status_code == 204
    two.cache.clear()
    assert (await two.cache.fetch(authorization)).groups == {uuid.UUID(group)}
    assert (await two.call("lyon/manager", "GET", "groups")).json()[0]["members"] == ["user"]
    # A model that was granted to the group isn't granted to what comes after it.
    await two.query("insert into model (name, kind) values ('m', 'chat')")
    await two.query("insert into model_grant select id, 'group', %s from model", uuid.UUID(group))
    assert (await two.call("lyon/manager", "DELETE", f"groups/{group}")).status_code == 204
    assert await two.query("select count(*) from model_grant") == [(0,)]
    acts = await two.query("select action from audit_entry where action like 'group%%' order by 1")
    assert [act for (act,) in acts] == ["group.add", "group.join", "group.remove"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("keys", {"name": "a\u0000b"}),
        ("keys", {"name": ""}),
        ("keys", {"name": "x", "scopes": ["all"]}),
        ("keys", {"name": "x", "days": 0}),
        ("keys", {"name": "x", "level": 3}),
        ("keys", {"name": "x", "more": 1}),
        ("people", {"name": "   "}),
        ("groups", {"slug": "Not a slug"}),
    ],
)
async def test_what_makes_no_sense_is_refused(two: World, path: str, body: Any) -> None:
    assert (await two.call("operator", "POST", path, body)).status_code == 422


async def test_names_are_taken_once_in_an_organisation(two: World) -> None:
    for path, body in (("people", {"name": "Ada"}), ("groups", {"slug": "a"})):
        assert (await two.call("lyon/manager", "POST", path, body)).status_code == 201
        assert (await two.call("lyon/manager", "POST", path, body)).status_code == 409
        assert (await two.call("nantes/manager", "POST", path, body)).status_code == 201


async def test_a_group_is_called_otherwise_and_keeps_what_it_has(two: World) -> None:
    group = (await two.call("lyon/manager", "POST", "groups", {"slug": "etudes"})).json()["id"]
    await two.call("lyon/manager", "POST", "groups", {"slug": "taken"})
    person = (await two.query("select id from person where name = 'user' order by id"))[0][0]
    people = (await two.call("lyon/manager", "GET", "people")).json()
    person = next(row["id"] for row in people if row["name"] == "user")
    await two.call("lyon/manager", "PUT", f"groups/{group}/members/{person}")
    names = {"slug": "recherche", "name": "Études et recherche"}
    renamed = await two.call("lyon/manager", "PUT", f"groups/{group}", names)
    assert renamed.status_code == 204
    groups = {row["slug"]: row for row in (await two.call("lyon/manager", "GET", "groups")).json()}
    assert groups.keys() == {"recherche", "taken"}
    assert groups["recherche"]["id"] == group
    assert (groups["recherche"]["name"], groups["recherche"]["members"]) == (
        names["name"], ["user"],
    )  # fmt: skip
    taken = await two.call("lyon/manager", "PUT", f"groups/{group}", names | {"slug": "taken"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    # The same name in another organisation is another's.
    assert (
        await two.call("nantes/manager", "POST", "groups", {"slug": "recherche"})
    ).status_code == 201
    acts = await two.query("select object, detail from audit_entry where action = 'group.rename'")
    assert acts == [("lyon/etudes", names)]


async def test_versions_of_people_and_groups(two: World) -> None:
    group = (await two.call("lyon/manager", "POST", "groups", {"slug": "etudes"})).json()["id"]
    (view,) = (await two.call("lyon/manager", "GET", "groups")).json()
    match = {"if-match": view["etag"]}
    names = {"slug": "a", "name": "a"}
    path = f"groups/{group}"
    assert (await two.call("lyon/manager", "PUT", path, names, match)).status_code == 204
    late = await two.call("lyon/manager", "PUT", path, names | {"slug": "b"}, match)
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert (await two.call("lyon/manager", "DELETE", path, None, match)).status_code == 412
    person = next(
        row for row in (await two.call("lyon/manager", "GET", "people")).json()
        if row["name"] == "user"
    )  # fmt: skip
    match = {"if-match": person["etag"]}
    await two.call("operator", "PUT", f"groups/{group}/members/{person['id']}")
    removed = await two.call("lyon/manager", "DELETE", f"people/{person['id']}", None, match)
    assert removed.status_code == 412
    # Another organisation's is as what doesn't exist, whatever was said to be seen.
    for who in (person["id"], str(uuid.uuid4())):
        answer = await two.call(
            "nantes/manager", "DELETE", f"people/{who}", None, {"if-match": "*"}
        )
        assert (answer.status_code, answer.json()["code"]) == (412, "changed_meanwhile")


async def test_somebody_is_removed_and_their_accounts_stay(two: World) -> None:
    people = (await two.call("lyon/manager", "GET", "people")).json()
    person = next(row["id"] for row in people if row["name"] == "user")
    group = (await two.call("lyon/manager", "POST", "groups", {"slug": "etudes"})).json()["id"]
    await two.call("lyon/manager", "PUT", f"groups/{group}/members/{person}")
    for subject in (person, next(row["id"] for row in people if row["name"] == "manager")):
        await two.query(
            "insert into quota_limit (subject_kind, subject_id, measure, period, amount)"
            " values ('person', %s, 'requests', 'day', 5)", uuid.UUID(subject),
        )  # fmt: skip
    await two.query(
        "insert into usage_hour select now(), null, %s, null, 'm', null, null, 'embeddings',"
        " 'completed', 1, 0, 0, 0, 0, 0, 0, 0", uuid.UUID(person),
    )  # fmt: skip
    key = await two.key_id("lyon/user")
    assert (await two.call("lyon/user", "GET", "me")).status_code == 200
    removed = await two.call("lyon/manager", "DELETE", f"people/{person}")
    assert removed.status_code == 204
    assert (await two.call("lyon/user", "GET", "me")).status_code == 401
    names = [row["name"] for row in (await two.call("lyon/manager", "GET", "people")).json()]
    assert names == ["manager"]
    assert (await two.call("lyon/manager", "GET", "groups")).json()[0]["members"] == []
    assert await two.query("select count(*) from quota_limit") == [(1,)]
    assert await two.query("select person_id::text from usage_hour") == [(person,)]
    keys = {row["id"]: row for row in (await two.call("lyon/manager", "GET", "keys")).json()}
    assert keys[key]["revoked_at"] is not None and keys[key]["person"] is None
    acts = await two.query(
        "select action, object from audit_entry where outcome = 'done' order by sequence desc"
        " limit 2"
    )
    assert acts == [("person.remove", "lyon/user"), ("key.revoke", key)]
    again = await two.call("lyon/manager", "DELETE", f"people/{person}")
    assert again.status_code == 404


async def test_a_manager_removes_nobody_who_has_a_key_beyond_its_own(two: World) -> None:
    made = await two.call(
        "operator", "POST", "keys",
        {"name": "o", "scopes": ["operate"], "organisation": "lyon", "person": "user"},
    )  # fmt: skip
    two.keys["o"] = made.json()["key"]
    people = (await two.call("lyon/manager", "GET", "people")).json()
    person = next(row["id"] for row in people if row["name"] == "user")
    assert (await two.call("lyon/manager", "DELETE", f"people/{person}")).status_code == 403
    for who in ("lyon/user", "o"):
        assert (await two.call(who, "GET", "me")).status_code == 200, "all or nothing"
    assert (await two.call("operator", "DELETE", f"people/{person}")).status_code == 204
    assert (await two.call("o", "GET", "me")).status_code == 401


async def test_changes_at_the_same_moment_never_wait_for_each_other(two: World) -> None:
    """Removing somebody touches what making, replacing and revoking their keys touches."""
    for turn in range(8):
        name = f"Ada {turn}"
        person = (await two.call("operator", "POST", "people", {"name": name})).json()["id"]
        group = (await two.call("operator", "POST", "groups", {"slug": f"g{turn}"})).json()["id"]
        spec = {"name": "k", "person": name, "organisation": "default"}
        keys = [(await two.call("operator", "POST", "keys", spec)).json()["id"] for _ in range(3)]
        answers = await asyncio.gather(
            two.call("operator", "POST", f"keys/{keys[0]}/rotate", {}),
            two.call("operator", "DELETE", f"people/{person}"),
            two.call("operator", "DELETE", f"keys/{keys[1]}"),
            two.call("operator", "POST", "keys", spec),
            two.call("operator", "PUT", f"groups/{group}", {"slug": f"n{turn}", "name": "n"}),
            two.call("operator", "POST", "groups", {"slug": f"n{turn}"}),
            two.call("operator", "PUT", f"groups/{group}/members/{person}"),
        )
        assert all(answer.status_code < 500 for answer in answers), [a.text for a in answers]


async def test_of_two_who_replace_a_secret_one_is_told(two: World) -> None:
    """The second would end the first secret at once: only the last but one goes on working."""
    key_id = await two.key_id("lyon/user")

    async def seen() -> dict[str, str]:
        listed = (await two.call("lyon/manager", "GET", "keys")).json()
        return {"if-match": next(row["etag"] for row in listed if row["id"] == key_id)}

    match = await seen()
    await two.call("lyon/user", "GET", "me")
    assert await seen() == match, "its use doesn't change what it is"
    path = f"keys/{key_id}/rotate"
    answers = await asyncio.gather(
        *(two.call("lyon/manager", "POST", path, {}, match) for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await two.call("lyon/user", "GET", "me")).status_code == 200
    assert (await two.call("lyon/manager", "POST", path, {}, await seen())).status_code == 200
    other = await two.call("nantes/manager", "POST", path, {}, {"if-match": "*"})
    assert other.status_code == 412, "as for one that doesn't exist"
