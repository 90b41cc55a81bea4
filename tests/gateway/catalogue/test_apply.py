"""The declarative file: what it plans, what it does, and that doing it twice does nothing."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue import apply as declarative
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

ROOT = Path(__file__).parents[3]
CIPHER = Cipher(bytes(32))
EMPTY = declarative.Current({}, {})


async def make_so(url: str, wanted: CatalogueSpec, *, prune: bool = False) -> list[str]:
    connections = Connections(url, 1)
    await connections.open()
    try:
        async with connections.transaction() as connection:
            now = await declarative.current(connection, CIPHER)
            changes = declarative.plan(now, wanted, prune=prune)
            await declarative.apply(connection, SYSTEM, CIPHER, changes)
            assert (await verify(connection)).broken_at is None
        return [f"{c.act} {c.kind} {c.name}" for c in changes]
    finally:
        await connections.close()


def spec(**tables: Any) -> CatalogueSpec:
    return CatalogueSpec.model_validate(tables)


GPU = {"name": "gpu", "url": "http://h/v1", "secret": "old", "serves": {"m": "M"}}


async def test_a_second_run_changes_nothing(database_url: str) -> None:
    wanted = spec(
        organisations=[{"slug": "a", "weight": 2}],
        models=[{"name": "m", "grants": ["organisation:a"], "aliases": ["y", "x"]}],
        endpoints=[GPU],
        limits=[{"subject": "organisation:a", "measure": "tokens", "period": "day", "amount": 5}],
    )
    assert len(await make_so(database_url, wanted)) == 4
    assert await make_so(database_url, wanted) == []


async def test_only_what_changed_is_changed_and_secrets_are_compared_unseen(
    database_url: str,
) -> None:
    await make_so(database_url, spec(models=[{"name": "m"}], endpoints=[GPU]))
    connections = Connections(database_url, 1)
    await connections.open()
    async with connections.transaction() as connection:
        now = await declarative.current(connection, CIPHER)
    await connections.close()
    wanted = spec(models=[{"name": "m", "context": 99}], endpoints=[GPU | {"secret": "new"}])
    changes = declarative.plan(now, wanted, prune=False)
    assert [(c.act, c.name, c.fields) for c in changes] == [
        ("update", "m", {"context": (8192, 99)}),
        ("update", "gpu", {"secret": ("…", "…")}),
    ]
    assert "new" not in "".join(declarative.shown(changes))


async def test_pruning_removes_what_is_not_named_in_an_order_that_works(database_url: str) -> None:
    await make_so(database_url, spec(models=[{"name": "m"}, {"name": "n"}], endpoints=[GPU]))
    kept = spec(models=[{"name": "n"}])
    assert await make_so(database_url, kept) == []
    removed = await make_so(database_url, kept, prune=True)
    assert removed == ["remove endpoint gpu", "remove model m"]


async def test_all_or_nothing(database_url: str) -> None:
    broken = spec(models=[{"name": "m"}], endpoints=[GPU | {"serves": {"nothing": "x"}}])
    with pytest.raises(ChappeError) as caught:
        await make_so(database_url, broken)
    assert caught.value.code == "unknown_object"
    assert len(await make_so(database_url, spec(models=[{"name": "m"}]))) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[models", "Expected"),
        ('[[models]]\nname = "m"\ncontxt = 3', "models.0 (m).contxt: there is no such key"),
        ("x = " + "[" * 5000 + "]" * 5000, "too many levels"),
        ('[[models]]\nname = "m"\n[[models]]\nname = "m"', "m is there twice"),
        ('[[endpoints]]\nname = "e"\nurl = "ftp://x"', "endpoints.0 (e).url"),
        ('[[limits]]\nsubject = "x"\nmeasure = "tokens"\namount = 1', "limits.0 (x)"),
        ('[[models]]\nname = "m"\nprice_in = 1e300', "models.0 (m).price_in"),
        ('[[endpoints]]\nname="e"\nurl="http://h"\nsecret="a"\nsecret_env="B"', "give one of"),
    ],
)
def test_a_wrong_file_says_where(text: str, told: str) -> None:
    with pytest.raises(ChappeError) as caught:
        declarative.read_file(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        (
            {"endpoints": [{"name": "gpu1", "url": "http://h/v1", "serves": {"mistrl": "x"}}]},
            "mistrl (endpoint gpu1)",
        ),
        ({"models": [{"name": "m", "grants": ["organisation:nobody"]}]}, "nobody (model m)"),
        ({"models": [{"name": "m", "grants": ["key:nobody"]}]}, "nobody (model m)"),
        (
            {
                "limits": [
                    {
                        "subject": "organisation:nobody",
                        "measure": "tokens",
                        "period": "day",
                        "amount": 1,
                    }
                ]
            },
            "nobody (limit organisation:nobody * tokens day)",
        ),
    ],
)
async def test_a_name_that_leads_nowhere_says_where_it_stands(
    database_url: str, tables: dict[str, Any], told: str
) -> None:
    with pytest.raises(ChappeError) as caught:
        await make_so(database_url, spec(**tables))
    assert caught.value.code == "unknown_object"
    assert told in str(caught.value)


NAMES = st.sampled_from(["a", "b", "c", "d"])
MODELS = st.dictionaries(NAMES, st.integers(1, 3), max_size=4)


@given(MODELS, MODELS)
def test_a_plan_leads_from_anything_to_what_is_wanted(
    before: dict[str, int], after: dict[str, int]
) -> None:
    def catalogue(models: dict[str, int]) -> CatalogueSpec:
        return spec(models=[{"name": n, "context": c} for n, c in models.items()])

    present = declarative.Current({("model", m.name): m for m in catalogue(before).models}, {})
    state = dict(present.specs)
    for change in declarative.plan(present, catalogue(after), prune=True):
        if change.act == "remove":
            del state[change.kind, change.name]
        else:
            assert (change.act == "create") == ((change.kind, change.name) not in state)
            state[change.kind, change.name] = change.spec
    assert {name: s.context for (_, name), s in state.items()} == after  # type: ignore[union-attr]
    reached = declarative.Current(state, {})
    assert declarative.plan(reached, catalogue(after), prune=True) == []


async def test_the_documented_example_applies(database_url: str) -> None:
    text = (ROOT / "docs" / "reference" / "catalogue.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    wanted = declarative.read_file(example.replace('secret_env = "GPU1_KEY"', 'secret = "x"'))
    assert await make_so(database_url, wanted)
    assert await make_so(database_url, wanted) == []


async def test_secrets_are_not_in_the_database_in_clear(database_url: str) -> None:
    secret = "sk-very-secret-0123456789"
    await make_so(database_url, spec(models=[{"name": "m"}], endpoints=[GPU | {"secret": secret}]))
    connections = Connections(database_url, 1)
    await connections.open()
    try:
        async with connections.transaction() as connection:
            for table in ("endpoint", "audit_entry"):
                found = await admin.rows(connection, f"select t::text as t from {table} t")
                assert found and all(secret not in row["t"] for row in found)
            row = (await admin.rows(connection, "select id::text, secret from endpoint"))[0]
    finally:
        await connections.close()
    assert CIPHER.decrypt(bytes(row["secret"]), row["id"]) == secret
    for cipher, owner in ((CIPHER, "another"), (Cipher(b"x" * 32), row["id"])):
        with pytest.raises(ChappeError) as caught:
            cipher.decrypt(bytes(row["secret"]), owner)
        assert caught.value.code == "secret_unreadable"


def test_every_key_of_the_file_is_documented_and_every_documented_key_exists() -> None:
    text = (ROOT / "docs" / "reference" / "catalogue.md").read_text()
    kinds = (OrganisationSpec, ModelSpec, EndpointSpec, LimitSpec)
    for kind, title in zip(kinds, ("Organisations", "Models", "Endpoints", "Limits"), strict=True):
        part = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
        for name in kind.model_fields:
            assert f"`{name}`" in part, f"{title}: {name}"
        for row in (line for line in part.splitlines() if line.startswith("| `")):
            for name in row.split("|")[1].replace("`", "").split(","):
                assert name.strip() in kind.model_fields, f"{title}: {name}"
