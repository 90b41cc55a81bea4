"""/readyz: this replica can serve, whatever befalls one model."""

import asyncio
import json
import urllib.request

import pytest

from chappe.gateway import Model
from chappe.gateway.catalogue.model import Endpoint, State
from chappe.server.readiness import readiness
from gateway_tower import Server, Tower


def _model(*states: State) -> Model:
    endpoints = [Endpoint(f"{number}", "e", state=state) for number, state in enumerate(states)]
    return Model("m", "chat", endpoints=endpoints)


@pytest.mark.parametrize(
    ("models", "status", "counts"),
    [
        ([], 200, (0, 0, 0)),
        ([_model()], 200, (0, 0, 0)),
        ([_model("ready"), _model()], 200, (1, 0, 0)),
        ([_model("ready"), _model("failed"), _model("starting", "failed")], 200, (1, 1, 1)),
        ([_model("failed", "ready")], 200, (1, 0, 0)),
        ([_model("starting"), _model()], 503, (0, 1, 0)),
        ([_model("failed"), _model("failed")], 503, (0, 0, 2)),
    ],
)
def test_one_model_that_can_answer_is_enough(
    models: list[Model], status: int, counts: tuple[int, int, int]
) -> None:
    given, value = readiness(models, "ready", needs_database=True)
    assert given == status
    assert value["status"] == ("ready" if status == 200 else "not ready")
    assert tuple(value["models"].values()) == counts


def test_only_who_needs_the_database_waits_for_it() -> None:
    assert readiness([_model("ready")], "away", needs_database=True)[0] == 503
    status, value = readiness([_model("ready")], "away", needs_database=False)
    assert (status, value["parts"]) == (200, {"database": "away"})


def _readyz(url: str) -> tuple[int, dict[str, object]]:
    with urllib.request.urlopen(f"{url}/readyz", timeout=20) as answer:
        return answer.status, json.loads(answer.read())


async def test_a_gateway_with_a_model_that_nobody_serves_stays_in(gate: Tower) -> None:
    status, value = await asyncio.to_thread(_readyz, gate.url)
    assert (status, value["models"]) == (200, {"ready": 0, "starting": 0, "failed": 0})
    await gate.add_model(Server())
    await gate.add_model(name="nobodys")
    status, value = await asyncio.to_thread(_readyz, gate.url)
    assert (status, value["models"]) == (200, {"ready": 1, "starting": 0, "failed": 0})
