"""What leads to a model: it is told when it leads nowhere, and keeps its model."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue import apply as declarative
from chappe.gateway.catalogue.references import suggestion
from chappe.gateway.catalogue.schemas import CatalogueSpec, LimitSpec, ModelSpec
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import SYSTEM
from gateway_tower import Server, Tower

CIPHER = Cipher(bytes(32))
LIMIT = {"subject": "organisation:default", "measure": "tokens", "period": "day", "amount": 5}
MESSAGES: Any = [{"role": "user", "content": "bonjour"}]


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    opened = Connections(database_url, 2)
    await opened.open()
    yield opened
    await opened.close()


async def put(connection: Connection, name: str, **fields: Any) -> None:
    spec = ModelSpec.model_validate({"name": name} | fields)
    await admin.put_model(connection, SYSTEM, spec, {"own"})


async def put_limit(connection: Connection, model: str, **fields: Any) -> None:
    spec = LimitSpec.model_validate(LIMIT | {"model": model} | fields)
    await admin.put_limit(connection, SYSTEM, spec, {"own"})


async def make_so(connections: Connections, **tables: Any) -> list[str]:
    dry_run, prune = tables.pop("dry_run", False), tables.pop("prune", False)
    async with connections.transaction() as connection:
        changes = await declarative.make_so(
            connection, SYSTEM, CIPHER, CatalogueSpec.model_validate(tables),
            prune=prune, dry_run=dry_run, configured={"own"},
        )  # fmt: skip
    return [f"{change.act} {change.kind} {change.name}" for change in changes]


MISSPELT = [
    ({"replacement": "mistrl"}, 'model "x", replacement'),
    ({"fallbacks": ["small", "mistrl"]}, 'model "x", fallbacks'),
]


@pytest.mark.parametrize(("fields", "place"), MISSPELT)
async def test_a_misspelt_name_is_told_with_its_place_and_the_closest(
    connections: Connections, fields: dict[str, Any], place: str
) -> None:
    async with connections.transaction() as connection:
        await put(connection, "mistral", aliases=["default"])
        await put(connection, "small")
    with pytest.raises(ChappeError) as caught:
        async with connections.transaction() as connection:
            await put(connection, "x", **fields)
    error = caught.value
    assert (error.code, error.status) == ("unknown_reference", 422)
    assert error.values == {"place": place, "name": "mistrl", "known": "mistral"}
    for language, neither in (("fr", "ni un modèle ni un alias"), ("en", "neither a model nor")):
        assert neither in error.detail(language) and place in error.detail(language)
    async with connections.transaction() as connection:
        assert {model.name for model in await admin.models(connection)} == {"mistral", "small"}


async def test_a_limit_on_a_misspelt_model_is_refused(connections: Connections) -> None:
    async with connections.transaction() as connection:
        await put(connection, "mistral", aliases=["default"])
        await put_limit(connection, "mistral")
        await put_limit(connection, "default")
        await put_limit(connection, "own")
    for subject in ("organisation:default", "model", "installation"):
        with pytest.raises(ChappeError) as caught:
            async with connections.transaction() as connection:
                await put_limit(connection, "defalt", subject=subject)
        assert caught.value.code == "unknown_reference"
        assert caught.value.values["place"] == f'limit "{subject} defalt tokens day", model'
        assert caught.value.values["known"] == "default"


async def test_names_aliases_and_models_of_the_settings_may_be_led_to(
    connections: Connections,
) -> None:
    async with connections.transaction() as connection:
        await put(connection, "m", aliases=["alias"], fallbacks=["own"])
        await put(connection, "n", fallbacks=["m", "alias"], replacement="own")
        await put(connection, "o", fallbacks=["o-too"], aliases=["o-too"])
        # The catalogue's description of a model of the settings may go: the model stays.
        await put(connection, "own")
        await admin.remove_model(connection, SYSTEM, "own", {"own"})


async def test_what_led_nowhere_before_is_in_nobodys_way(connections: Connections) -> None:
    async with connections.transaction() as connection:
        await put(connection, "m")
        await connection.execute(
            "update model set fallbacks = '{gone}', replacement = 'gone';"
            "insert into quota_limit (subject_kind, model, measure, period, amount)"
            " values ('model', 'gone', 'tokens', 'day', 3)"
        )
        await put(connection, "n", fallbacks=["m"])
        await put(connection, "m", fallbacks=["gone"], replacement="gone", context=99)
        await put_limit(connection, "gone", subject="model", amount=4)
        await admin.remove_model(connection, SYSTEM, "n")
    for more in ({"fallbacks": ["gone", "nowhere"]}, {"replacement": "nowhere"}):
        with pytest.raises(ChappeError) as caught:
            async with connections.transaction() as connection:
                await put(connection, "m", **more)
        assert caught.value.values["name"] == "nowhere"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("mistral", 'model "b", replacement'),
        ("latest", 'model "c", fallbacks'),
        ("limited", 'limit "organisation:default limited tokens day", model'),
    ],
)
async def test_neither_a_model_nor_an_alias_goes_while_others_lead_to_it(
    connections: Connections, name: str, told: str
) -> None:
    aliases = ["latest", "limited"]
    async with connections.transaction() as connection:
        await put(connection, "mistral", aliases=aliases)
        await put(connection, "b", replacement="mistral")
        await put(connection, "c", fallbacks=["latest"])
        await put_limit(connection, "limited")
    with pytest.raises(ChappeError) as caught:
        async with connections.transaction() as connection:
            await admin.remove_model(connection, SYSTEM, "mistral")
    assert (caught.value.code, caught.value.status) == ("object_in_use", 409)
    assert told in caught.value.detail("fr") and name in caught.value.title("fr")
    if name in aliases:
        with pytest.raises(ChappeError) as caught:
            async with connections.transaction() as connection:
                await put(connection, "mistral", aliases=[a for a in aliases if a != name])
        assert caught.value.code == "object_in_use"
        assert caught.value.values == {"name": name, "users": told}


async def test_a_limit_of_a_revoked_key_keeps_no_model(connections: Connections) -> None:
    async with connections.transaction() as connection:
        await connection.execute(
            "insert into api_key (name, prefix, digest, scopes, organisation_id)"
            " select 'k', 'chp_abcd', '\\x00', '{}', id from organisation"
        )
        await put(connection, "m")
        await put_limit(connection, "m", subject="key:k")
    with pytest.raises(ChappeError):
        async with connections.transaction() as connection:
            await admin.remove_model(connection, SYSTEM, "m")
    async with connections.transaction() as connection:
        await connection.execute("update api_key set revoked_at = now()")
        await admin.remove_model(connection, SYSTEM, "m")


# Files


async def test_a_file_declares_in_any_order_and_what_is_wrong_is_what_is_wrong_at_the_end(
    connections: Connections,
) -> None:
    first = {"name": "a", "fallbacks": ["b", "alias"], "status": "retired", "replacement": "b"}
    second = {"name": "b", "aliases": ["alias"], "fallbacks": ["a"]}
    limit = LIMIT | {"model": "alias"}
    assert len(await make_so(connections, models=[first, second], limits=[limit])) == 3
    # The alias passes on, and what leads there with it.
    moved = [first | {"aliases": ["alias"]}, second | {"aliases": []}]
    assert await make_so(connections, models=moved) == ["update model a", "update model b"]
    for dry_run in (True, False):
        with pytest.raises(ChappeError) as caught:
            await make_so(connections, models=[first, second | {"aliases": []}], dry_run=dry_run)
        assert caught.value.code == "object_in_use"
        assert caught.value.values["users"] == (
            'limit "organisation:default alias tokens day", model; model "a", fallbacks'
        )
        with pytest.raises(ChappeError) as caught:
            await make_so(connections, models=[{"name": "c", "fallbacks": ["allias"]}],
                          dry_run=dry_run)  # fmt: skip
        assert caught.value.code == "unknown_reference" and caught.value.values["known"] == "alias"
    removed = await make_so(connections, models=[{"name": "c"}], prune=True)
    assert {change.split()[0] for change in removed} == {"create", "remove"}


NAMES = ("a", "b", "c", "a-too", "b-too", "own", "nowhere")
CATALOGUES = st.builds(
    lambda models, limits: {
        "models": models,
        "limits": [LIMIT | {"model": name} for name in limits],
    },
    st.lists(
        st.builds(
            lambda name, alias, replacement, fallbacks: {
                "name": name, "aliases": [f"{name}-too"] if alias else [],
                "replacement": replacement, "fallbacks": fallbacks,
            },
            st.sampled_from("abc"), st.booleans(), st.none() | st.sampled_from(NAMES),
            st.lists(st.sampled_from(NAMES), max_size=2),
        ),
        max_size=3, unique_by=lambda model: model["name"],
    ),
    st.lists(st.sampled_from(NAMES), max_size=1),
)  # fmt: skip


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=CATALOGUES)
async def test_a_catalogue_is_taken_just_if_all_in_it_leads_somewhere(
    connections: Connections, wanted: dict[str, Any]
) -> None:
    """Each example begins where the one before it ended."""
    models = wanted["models"]
    names = {"own"} | {n for m in models for n in (m["name"], *m["aliases"])}
    led = {n for m in models for n in (*m["fallbacks"], m["replacement"]) if n is not None}
    led |= {limit["model"] for limit in wanted["limits"]}
    try:
        await make_so(connections, **wanted, prune=True)
    except ChappeError as error:
        assert error.code in ("unknown_reference", "object_in_use")
        assert not led <= names
        return
    assert led <= names
    assert await make_so(connections, **wanted, prune=True) == []


@pytest.mark.parametrize(
    ("name", "known", "told"),
    [
        ("mistrl", {"mistral", "small"}, "mistral"),
        ("zzz", {"b", "a"}, "a, b"),
        ("zzz", {f"m{n:02}" for n in range(11)}, ", ".join(f"m{n:02}" for n in range(10)) + ", …"),
        ("zzz", set(), "–"),
    ],
)
def test_what_is_proposed(name: str, known: set[str], told: str) -> None:
    assert suggestion(name, known) == told


# In force


async def test_an_alias_leads_to_the_model_that_has_it(gate: Tower) -> None:
    await gate.add_model(Server(), name="new", aliases=["newest"])
    await gate.add_model(name="old", status="retired", replacement="newest")
    await gate.add_model(name="idle", fallbacks=["newest"])
    for name in ("old", "idle"):
        raw = await gate.client().chat.completions.with_raw_response.create(
            model=name, messages=MESSAGES
        )
        assert raw.headers["x-chappe-model"] == "new"
    async with gate.gateway.connections.transaction() as connection:
        for name in ("old", "idle"):
            await admin.remove_model(connection, SYSTEM, name)
        limit = {"subject": "model", "model": "newest", "measure": "requests", "period": "month"}
        spec = LimitSpec.model_validate(limit | {"amount": 1})
        await admin.put_limit(connection, SYSTEM, spec)
    await gate.until(lambda: gate.gateway.quotas._limits)
    await gate.client().chat.completions.create(model="new", messages=MESSAGES)
    with pytest.raises(openai.RateLimitError):
        await gate.client().chat.completions.create(model="new", messages=MESSAGES)
