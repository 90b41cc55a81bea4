"""The catalogue in force: what the gateway knows is what the database says."""

import logging
import uuid
from pathlib import Path
from typing import Any

import pytest

from chappe.core.connections import Connections
from chappe.gateway.catalogue import Catalogue, Endpoint, Model
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue.schemas import EndpointSpec, ModelSpec
from chappe.gateway.catalogue.secrets import Cipher
from chappe.gateway.catalogue.source import CatalogueSource
from chappe.gateway.quotas.limits import Limit
from chappe.identity import SYSTEM, Actor

CIPHER = Cipher(bytes(32))


class Gateway:
    """Takes catalogues."""

    models: list[Model]
    limits: list[Limit]

    def use(self, models: list[Model], limits: list[Limit], _: list[Endpoint]) -> None:
        self.models, self.limits = models, limits

    def endpoint(self, name: str) -> Any:
        return next(e for e in Catalogue(self.models).endpoints() if e.name == name)


async def fill(connections: Connections) -> uuid.UUID:
    """Two models, three endpoints; gives the organisation that one is granted to."""
    async with connections.transaction() as connection:
        for values in (
            {"name": "m", "public": False, "grants": ["organisation:default"], "price_in": 0.25,
             "default_sampling": {"temperature": 0.2}, "aliases": ["x"]},
            {"name": "n", "fallbacks": ["m"]},
        ):  # fmt: skip
            await admin.put_model(connection, SYSTEM, ModelSpec.model_validate(values))
        for name, level in (("a", "open"), ("b", "internal"), ("c", "restricted")):
            serves = {"m": f"M-{name}"} | ({"n": "N"} if name == "a" else {})
            described = {"url": f"http://{name}/v1", "clearance": level, "secret": f"s-{name}"}
            spec = EndpointSpec.model_validate({"name": name, "serves": serves} | described)
            await admin.put_endpoint(connection, SYSTEM, CIPHER, spec)
        (row,) = await admin.rows(connection, "select id from organisation")
        await connection.execute(
            "insert into quota_limit (subject_kind, subject_id, measure, period, amount)"
            " values ('organisation', %s, 'tokens', 'day', 5)",
            (row["id"],),
        )
        return uuid.UUID(str(row["id"]))


async def started(
    url: str, folder: Path, cipher: Cipher = CIPHER, configured: tuple[Model, ...] = ()
) -> Gateway:
    gateway = Gateway()
    connections = Connections(url, 2)
    await connections.open()
    source = CatalogueSource(connections, folder, cipher, configured, gateway.use)
    await source.start()
    await source.stop()
    await connections.close()
    return gateway


@pytest.fixture
async def organisation(database_url: str) -> uuid.UUID:
    connections = Connections(database_url, 1)
    await connections.open()
    found = await fill(connections)
    await connections.close()
    return found


NOWHERE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"


@pytest.mark.parametrize("away", [False, True])
async def test_grants_clearances_and_limits_are_those_of_the_database(
    database_url: str, organisation: uuid.UUID, tmp_path: Path, away: bool
) -> None:
    gateway = await started(database_url, tmp_path)
    if away:
        gateway = await started(NOWHERE, tmp_path)
    model, other = gateway.models
    assert model.grants == {organisation} and not model.public and other.public
    assert model.default_sampling == {"temperature": 0.2} and model.price_in == 0.25
    assert other.fallbacks == ("m",)
    found = {e.name: (e.clearance, e.upstream_names["m"], e.api_key) for e in model.endpoints}
    assert found == {
        "a": (0, "M-a", "s-a"), "b": (1, "M-b", "s-b"), "c": (2, "M-c", "s-c"),
    }  # fmt: skip
    assert gateway.endpoint("a").upstream_names == {"m": "M-a", "n": "N"}
    (limit,) = gateway.limits
    assert (limit.subject_id, limit.amount) == (organisation, 5.0)
    catalogue = Catalogue(gateway.models)
    member = Actor("key", frozenset(("models",)), organisation_id=organisation)
    stranger = Actor("key", frozenset(("models",)), organisation_id=uuid.uuid4())
    assert [m.name for m in catalogue.visible(member)] == ["m", "n"]
    assert [m.name for m in catalogue.visible(stranger)] == ["n"]


async def test_the_kept_catalogue_shows_no_secret_and_is_its_owners_only(
    database_url: str, organisation: uuid.UUID, tmp_path: Path
) -> None:
    await started(database_url, tmp_path)
    file = tmp_path / "catalogue.json"
    assert b"s-a" not in file.read_bytes() and file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"models": []}', b'{"models": 3}'])
async def test_a_damaged_kept_catalogue_stops_nobody(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "catalogue.json").write_bytes(text)
    configured = Model("own", "chat")
    gateway = await started(NOWHERE, tmp_path, configured=(configured,))
    assert getattr(gateway, "models", [configured]) == [configured]


async def test_an_endpoint_whose_secret_is_unreadable_is_told_and_the_others_serve(
    database_url: str, organisation: uuid.UUID, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connections = Connections(database_url, 1)
    await connections.open()
    other = Cipher(b"o" * 32)
    async with connections.transaction() as connection:
        (row,) = await admin.rows(connection, "select id::text from endpoint where name = 'b'")
        await connection.execute(
            "update endpoint set secret = %s where name = 'b'", (other.encrypt("s", row["id"]),)
        )
    await connections.close()
    with caplog.at_level(logging.ERROR):
        gateway = await started(database_url, tmp_path)
    assert [record.message for record in caplog.records] == ["secret_unreadable"]
    lost = gateway.endpoint("b")
    assert lost.base_url is None and lost.state == "failed" and lost.api_key is None
    assert gateway.endpoint("a").api_key == "s-a" and gateway.endpoint("c").state == "ready"


async def test_settings_and_catalogue_are_put_together(
    database_url: str, organisation: uuid.UUID, tmp_path: Path
) -> None:
    own, same = Model("own", "chat"), Model("m", "chat", context=1)
    gateway = await started(database_url, tmp_path, configured=(own, same))
    assert [m.name for m in gateway.models] == ["own", "m", "n"]
    assert gateway.models[1].context == 8192 and not gateway.models[1].public
