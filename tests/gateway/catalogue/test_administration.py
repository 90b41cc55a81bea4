"""Changing the catalogue: what is refused, what is kept, and what comes at the same time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue import apply as declarative
from chappe.gateway.catalogue.proposals import decide, proposals
from chappe.gateway.catalogue.schemas import (
    CatalogueSpec,
    EndpointSpec,
    LimitSpec,
    ModelSpec,
    OrganisationSpec,
)
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import SYSTEM
from chappe.identity.audit import verify

CIPHER = Cipher(bytes(32))
KEY = (
    "insert into api_key (name, prefix, digest, scopes, organisation_id)"
    " select 'k', 'chp_abcd', '\\x00', '{}', id from organisation"
)


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    opened = Connections(database_url, 6)
    await opened.open()
    yield opened
    await opened.close()


def catalogue(**tables: Any) -> CatalogueSpec:
    return CatalogueSpec.model_validate(tables)


async def make_so(connections: Connections, wanted: CatalogueSpec, **options: Any) -> list[str]:
    async with connections.transaction() as connection:
        changes = await declarative.make_so(connection, SYSTEM, CIPHER, wanted, **options)
    return [f"{change.act} {change.kind} {change.name}" for change in changes]


async def the_secret(connection: Connection) -> str | None:
    (row,) = await admin.rows(connection, "select id::text, secret from endpoint")
    return CIPHER.decrypt(bytes(row["secret"]), row["id"]) if row["secret"] else None


async def put(connection: Connection, **fields: Any) -> None:
    values = {"name": "e", "url": "http://h:8000/v1"} | fields
    await admin.put_endpoint(connection, SYSTEM, CIPHER, EndpointSpec.model_validate(values))


# Secrets and addresses


async def test_a_secret_is_kept_replaced_and_removed(connections: Connections) -> None:
    async with connections.transaction() as connection:
        await put(connection, secret="one")
        await put(connection, url="http://h:8000/openai/v1")
        assert await the_secret(connection) == "one"
        await put(connection, secret="two")
        assert await the_secret(connection) == "two"
        await put(connection, secret="")
        assert await the_secret(connection) is None


@pytest.mark.parametrize("url", ["http://evil:8000/v1", "https://h:8000/v1", "http://h:8001/v1"])
async def test_a_secret_is_not_sent_to_another_server(connections: Connections, url: str) -> None:
    async with connections.transaction() as connection:
        await put(connection, secret="one")
        with pytest.raises(ChappeError) as caught:
            await put(connection, url=url)
        assert caught.value.code == "secret_needed"
        await put(connection, url=url, secret="one")


@pytest.mark.parametrize("secret", ["with space", "line\r\nx-evil: 1", "clé"])
async def test_a_secret_that_no_header_can_hold_is_refused_unshown(
    connections: Connections, secret: str
) -> None:
    async with connections.transaction() as connection:
        with pytest.raises(ChappeError) as caught:
            await put(connection, secret=secret)
    assert caught.value.code == "invalid_request" and secret not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///v1", "http://h:99999/v1", "http://user:secret@h/v1", "http://h/v1?key=s",
     "http://h/v1#x", "file:///etc/passwd", "http://hé/v1", "http://h/ v1"],
)  # fmt: skip
def test_what_is_no_address_of_a_server(url: str) -> None:
    with pytest.raises(ChappeError) as caught:
        declarative.read_file(f'[[endpoints]]\nname = "e"\nurl = "{url}"')
    assert "endpoints.0 (e).url" in str(caught.value) and "secret@" not in str(caught.value)


async def test_secrets_are_encrypted_anew_all_or_none(connections: Connections) -> None:
    both, new = Cipher(b"n" * 32, bytes(32)), Cipher(b"n" * 32)
    async with connections.transaction() as connection:
        await put(connection, secret="one")
        await put(connection, name="f", secret="two")
        assert await admin.rotate_secrets(connection, SYSTEM, both) == 2
        for row in await admin.rows(connection, "select id::text, secret from endpoint"):
            assert new.decrypt(bytes(row["secret"]), row["id"]) in ("one", "two")
        await put(connection, name="f", secret="three")  # with the old key
    with pytest.raises(ChappeError) as caught:
        async with connections.transaction() as connection:
            await admin.rotate_secrets(connection, SYSTEM, new)
    assert caught.value.code == "secret_unreadable" and "de f " in caught.value.detail("fr")
    async with connections.transaction() as connection:
        assert await admin.rotate_secrets(connection, SYSTEM, both) == 2


# Files


async def test_a_file_leaves_a_drained_server_drained_unless_it_says_so(
    connections: Connections,
) -> None:
    endpoint = {"name": "e", "url": "http://h/v1"}
    wanted = catalogue(endpoints=[endpoint])
    await make_so(connections, wanted)
    async with connections.transaction() as connection:
        await admin.set_drained(connection, SYSTEM, "e", True)
    assert await make_so(connections, wanted) == []
    moved = catalogue(endpoints=[endpoint | {"site": "b"}])
    assert await make_so(connections, moved) == ["update endpoint e"]
    async with connections.transaction() as connection:
        ((spec, _),) = await admin.endpoints(connection)
    assert spec.drained and spec.site == "b"
    told = catalogue(endpoints=[endpoint | {"site": "b", "drained": False}])
    assert await make_so(connections, told) == ["update endpoint e"]


async def test_names_pass_from_one_model_to_another(connections: Connections) -> None:
    def two(first: list[str], second: list[str]) -> CatalogueSpec:
        return catalogue(models=[{"name": "a", "aliases": first}, {"name": "b", "aliases": second}])

    await make_so(connections, two(["x", "y"], ["z"]))
    await make_so(connections, two(["z"], ["x"]))
    await make_so(connections, two(["x"], ["z"]))
    async with connections.transaction() as connection:
        found = {spec.name: spec.aliases for spec in await admin.models(connection)}
    assert found == {"a": ["x"], "b": ["z"]}
    for wrong in (["b"], ["z"]):
        with pytest.raises(ChappeError) as caught:
            async with connections.transaction() as connection:
                spec = ModelSpec.model_validate({"name": "c", "aliases": wrong})
                await admin.put_model(connection, SYSTEM, spec)
        assert caught.value.code == "name_taken"


async def test_models_that_lead_to_each_other_go_together(connections: Connections) -> None:
    circle = [
        {"name": "a", "fallbacks": ["b"]}, {"name": "b", "fallbacks": ["a"]}, {"name": "c"},
    ]  # fmt: skip
    await make_so(connections, catalogue(models=circle))
    async with connections.transaction() as connection:
        with pytest.raises(ChappeError) as caught:
            await admin.remove_model(connection, SYSTEM, "a")
        assert caught.value.code == "object_in_use" and "b" in str(caught.value)
    left = catalogue(models=[{"name": "c"}])
    assert await make_so(connections, left, prune=True) == ["remove model b", "remove model a"]
    with pytest.raises(ChappeError):
        using = catalogue(models=[{"name": "d", "fallbacks": ["c"]}])
        await make_so(connections, using, prune=True)


async def test_a_dry_run_tells_what_cannot_be_made_and_makes_nothing(
    connections: Connections,
) -> None:
    wanted = catalogue(models=[{"name": "a"}])
    assert await make_so(connections, wanted, dry_run=True) == ["create model a"]
    async with connections.transaction() as connection:
        assert await admin.models(connection) == []
        assert (await verify(connection)).entries == 0
    with pytest.raises(ChappeError) as caught:
        broken = catalogue(models=[{"name": "a", "grants": ["organisation:nobody"]}])
        await make_so(connections, broken, dry_run=True)
    assert caught.value.code == "unknown_object"


async def test_keys_may_be_told_by_name_and_revoked_ones_are_in_nobodys_way(
    connections: Connections,
) -> None:
    async with connections.transaction() as connection:
        await connection.execute(KEY)
    wanted = catalogue(
        models=[{"name": "a", "grants": ["key:k"], "public": False}],
        limits=[{"subject": "key:k", "measure": "concurrency", "amount": 2}],
    )
    assert len(await make_so(connections, wanted)) == 2
    assert await make_so(connections, wanted) == []
    async with connections.transaction() as connection:
        await connection.execute("update api_key set revoked_at = now()")
        (model,) = await admin.models(connection)
        assert model.grants == []
        assert await admin.limits(connection) == []
        await admin.put_model(connection, SYSTEM, model)


async def test_a_proposal_becomes_a_model_with_the_context_that_was_told(
    connections: Connections,
) -> None:
    async with connections.transaction() as connection:
        await put(connection)
        await connection.execute(
            "insert into model_proposal select id, 'org/m', '{\"max_model_len\": 32768}'"
            " from endpoint"
        )
    with pytest.raises(ChappeError) as caught:
        async with connections.transaction() as connection:
            await decide(connection, SYSTEM, "e", "org/m", "not a name")
    assert caught.value.code == "invalid_request"
    async with connections.transaction() as connection:
        await decide(connection, SYSTEM, "e", "org/m", "m")
        assert [(m.name, m.context) for m in await admin.models(connection)] == [("m", 32768)]
        ((spec, _),) = await admin.endpoints(connection)
        assert spec.serves == {"m": "org/m"}
        assert await proposals(connection) == []


# At the same time


async def test_two_who_take_one_alias_at_once(connections: Connections) -> None:
    async def take(name: str) -> None:
        async with connections.transaction() as connection:
            spec = ModelSpec.model_validate({"name": name, "aliases": ["x"]})
            await admin.put_model(connection, SYSTEM, spec)

    results = await asyncio.gather(*(take(f"m{n}") for n in range(5)), return_exceptions=True)
    refused = [r for r in results if isinstance(r, ChappeError) and r.code == "name_taken"]
    assert len(refused) == 4 and results.count(None) == 1


async def test_changes_in_opposite_orders_do_not_wait_for_each_other(
    connections: Connections,
) -> None:
    async def change(names: list[str], weight: float) -> None:
        async with connections.transaction() as connection:
            for name in names:
                spec = OrganisationSpec.model_validate({"slug": name, "weight": weight})
                await admin.put_organisation(connection, SYSTEM, spec)
                await asyncio.sleep(0.01)

    names = [f"o{n}" for n in range(5)]
    await change(names, 1)
    await asyncio.gather(*(change(names[:: (-1) ** n], n + 1) for n in range(6)))
    async with connections.transaction() as connection:
        assert (
            len({o.weight for o in await admin.organisations(connection) if o.slug in names}) == 1
        )


# From anything to anything


MODELS = st.lists(
    st.builds(
        lambda name, context, aliases, public, granted: {
            "name": name, "context": context, "aliases": sorted({f"{name}-{a}" for a in aliases}),
            "public": public, "grants": ["organisation:default"] if granted else [],
        },
        st.sampled_from("abcd"), st.integers(1, 3), st.lists(st.sampled_from("xyz"), max_size=2),
        st.booleans(), st.booleans(),
    ),
    max_size=4, unique_by=lambda model: model["name"],
)  # fmt: skip


@st.composite
def catalogues(draw: st.DrawFn) -> CatalogueSpec:
    models: list[dict[str, Any]] = draw(MODELS)
    names = [str(model["name"]) for model in models]
    serves = (
        st.dictionaries(st.sampled_from(names), st.sampled_from("uv")) if names else st.just({})
    )
    endpoints = [
        {
            "name": name, "url": f"http://{name}/v1", "serves": draw(serves),
            "clearance": draw(st.sampled_from(["open", "internal", "restricted"])),
            "capacity": draw(st.none() | st.integers(1, 9)),
            "labels": draw(st.dictionaries(st.sampled_from("pq"), st.sampled_from("rs"))),
            "secret": draw(st.sampled_from(["", "s1", "s2"])),
        }
        for name in draw(st.lists(st.sampled_from("ef"), unique=True))
    ]  # fmt: skip
    limits = [
        {
            "subject": subject,
            "measure": "tokens",
            "period": "day",
            "amount": draw(st.integers(0, 3)),
        }
        for subject in draw(
            st.lists(st.sampled_from(["installation", "organisation:default"]), unique=True)
        )
    ]
    return catalogue(models=models, endpoints=endpoints, limits=limits)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=catalogues())
async def test_whatever_is_there_becomes_what_is_wanted(
    connections: Connections, wanted: CatalogueSpec
) -> None:
    """Each example begins where the one before it ended."""
    foreseen = await make_so(connections, wanted, prune=True, dry_run=True)
    assert await make_so(connections, wanted, prune=True) == foreseen
    assert await make_so(connections, wanted, prune=True) == []
    async with connections.transaction() as connection:
        models = await admin.models(connection)
        endpoints = await admin.endpoints(connection)
        limits: list[LimitSpec] = [spec for _, spec in await admin.limits(connection)]
        assert (await verify(connection)).broken_at is None
    assert sorted(models, key=lambda m: m.name) == sorted(wanted.models, key=lambda m: m.name)
    for (spec, has_secret), want in zip(
        endpoints, sorted(wanted.endpoints, key=lambda e: e.name), strict=True
    ):
        hidden = {"secret", "secret_env", "secret_file"}
        assert spec.model_dump(exclude=hidden) == want.model_dump(exclude=hidden)
        assert has_secret == bool(want.secret_text())
    assert sorted(limits, key=lambda x: x.name) == sorted(wanted.limits, key=lambda x: x.name)
