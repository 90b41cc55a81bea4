"""The catalogue by API: what an operator does, what nobody reads, what a server doesn't read."""

import asyncio
import io
import logging
from typing import Any

import httpx2
import pytest

from chappe.core import telemetry
from chappe.gateway.catalogue import Endpoint, Model
from gateway_tower import Server, Tower

SECRET = "sk-of-the-endpoint-0123456789"


async def test_a_model_from_its_first_server_to_its_end(
    gate: Tower, operator: httpx2.AsyncClient
) -> None:
    server = await gate.start_server(Server())
    endpoint = {"name": "e", "url": server.url, "secret": SECRET, "engine": "vllm"}
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(telemetry.JsonFormatter())
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        assert (await operator.put("/models/m", json={"name": "m"})).status_code == 204
        put = await operator.put("/endpoints/e", json=endpoint | {"serves": {"m": "M"}})
        assert put.status_code == 204
        await gate.until(lambda: gate.gateway.catalogue.endpoints())
        messages: Any = [{"role": "user", "content": "x"}]
        await gate.client().chat.completions.create(model="m", messages=messages)
        assert f"bearer {SECRET}" in server.headers[-1].lower()
        listed = await operator.get("/endpoints")
        assert listed.json()[0]["has_secret"]
        tested = (await operator.post("/endpoints/e/test")).json()
        assert tested == {"well": True, "engine": "openai", "models": []}
        moved = endpoint | {"url": "http://127.0.0.1:9/v1"}
        del moved["secret"]
        refused = await operator.put("/endpoints/e", json=moved)
        assert (refused.status_code, refused.json()["code"]) == (422, "secret_needed")
        drained = await operator.post("/endpoints/e/drain")
        assert drained.status_code == 204
        await gate.until(lambda: gate.gateway.catalogue.endpoints()[0].drained)
        assert (await operator.delete("/models/m")).json()["code"] == "object_in_use"
        assert (await operator.delete("/endpoints/e")).status_code == 204
        assert (await operator.delete("/models/m")).status_code == 204
        bad = await operator.put("/endpoints/e", json=endpoint | {"url": "x", "labels": 3})
        assert bad.status_code == 422
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    kept = str(await gate.execute("select a::text from audit_entry a"))
    for text in (written.getvalue(), kept, listed.text, refused.text):
        assert SECRET not in text


async def test_an_endpoint_that_is_not_well_is_told(
    gate: Tower, operator: httpx2.AsyncClient
) -> None:
    await operator.put("/models/m", json={"name": "m"})
    endpoint = {"name": "e", "url": "http://127.0.0.1:9/v1", "serves": {"m": "m"}}
    await operator.put("/endpoints/e", json=endpoint)
    await gate.until(lambda: gate.gateway.catalogue.endpoints())
    tested = (await operator.post("/endpoints/e/test")).json()
    assert not tested["well"] and tested["detail"]


async def test_names_with_slashes_can_be_administered(
    gate: Tower, operator: httpx2.AsyncClient
) -> None:
    """Models are often called as on their hub: `org/name`."""
    server = await gate.start_server(Server())
    name, site = "org/model", "room/gpu1"
    assert (await operator.put("/models/org%2Fmodel", json={"name": name})).status_code == 204
    endpoint = {"name": site, "url": server.url, "serves": {name: "m"}}
    assert (await operator.put("/endpoints/room%2Fgpu1", json=endpoint)).status_code == 204
    await gate.until(lambda: gate.gateway.catalogue.endpoints())
    assert (await operator.post("/endpoints/room%2Fgpu1/test")).json()["well"]
    assert (await operator.post("/endpoints/room%2Fgpu1/drain")).status_code == 204
    await gate.until(lambda: gate.gateway.catalogue.endpoints()[0].drained)
    assert (await operator.post("/endpoints/room%2Fgpu1/resume")).status_code == 204
    assert (await operator.delete("/endpoints/room%2Fgpu1")).status_code == 204
    assert (await operator.delete("/models/org%2Fmodel")).status_code == 204
    assert (await operator.get("/models")).json() == []


@pytest.mark.parametrize("source", ["secret_env", "secret_file"])
async def test_a_server_does_not_read_its_own_files_for_a_caller(
    gate: Tower, operator: httpx2.AsyncClient, source: str
) -> None:
    endpoint = {"name": "e", "url": "http://h/v1", source: "/etc/passwd"}
    assert (await operator.put("/endpoints/e", json=endpoint)).status_code == 422
    toml = f'[[endpoints]]\nname = "e"\nurl = "http://h/v1"\n{source} = "/etc/passwd"'
    applied = await operator.post("/apply", json={"toml": toml, "dry_run": False})
    assert applied.status_code == 422
    assert (await operator.get("/endpoints")).json() == []


async def test_a_file_is_tried_then_applied(gate: Tower, operator: httpx2.AsyncClient) -> None:
    body = {"toml": '[[models]]\nname = "m"\npublic = false\n'}
    tried = (await operator.post("/apply", json=body)).json()
    assert [(c["act"], c["name"]) for c in tried] == [("create", "m")]
    assert (await operator.get("/models")).json() == []
    assert (await operator.post("/apply", json=body | {"dry_run": False})).json() == tried
    await gate.until(lambda: gate.gateway.catalogue.get("m"))
    assert (await operator.post("/apply", json=body)).json() == []


async def test_what_a_server_announces_is_taken_by_hand(
    gate: Tower, operator: httpx2.AsyncClient
) -> None:
    """A server that serves nothing yet is looked at too: what it announces is proposed."""
    server = await gate.start_server(Server(announces=["org/new"]))
    await operator.put("/endpoints/e", json={"name": "e", "url": server.url})
    await gate.until(lambda: gate.gateway.catalogue.endpoints())
    assert (await operator.post("/endpoints/e/test")).json()["models"] == ["org/new"]
    for _ in range(200):
        if proposed := (await operator.get("/proposals")).json():
            break
        await asyncio.sleep(0.05)
    assert gate.gateway.catalogue.all() == []
    decision = {"endpoint": "e", "upstream_name": proposed[0]["upstream_name"], "model": "new"}
    assert (await operator.post("/proposals", json=decision)).status_code == 204
    await gate.until(lambda: gate.gateway.catalogue.get("new"))
    messages: Any = [{"role": "user", "content": "x"}]
    await gate.client().chat.completions.create(model="new", messages=messages)
    assert server.requests[-1]["model"] == "org/new"
    assert (await operator.get("/proposals")).json() == []


async def test_limits_are_listed_with_what_is_used_of_each(
    operator: httpx2.AsyncClient, gate: Tower
) -> None:
    await gate.add_model(Server())
    limit = {"subject": "installation", "measure": "requests", "period": "month", "amount": 100}
    assert (await operator.put("/limits", json=limit)).status_code == 204
    (listed,) = (await operator.get("/limits")).json()
    assert (listed["used"], listed["remaining"]) == (0, 100)
    assert listed["resets_at"] is not None
    await gate.until(lambda: gate.gateway.quotas._limits)
    messages: Any = [{"role": "user", "content": "x"}]
    for _ in range(3):
        await gate.client().chat.completions.create(model="m", messages=messages)
    for _ in range(100):
        (listed,) = (await operator.get("/limits")).json()
        if listed["used"] == 3:
            break
        await asyncio.sleep(0.1)
    assert (listed["used"], listed["remaining"]) == (3, 97)
    assert listed["held"] >= 3


async def test_names_that_must_exist(gate: Tower, operator: httpx2.AsyncClient) -> None:
    own = Model("own", "chat", endpoints=[Endpoint("configured:own", "own", "http://127.0.0.1:9")])
    gate.gateway._source._configured = [own]
    gate.gateway._use([own], [])
    large = {"name": "large", "aliases": ["best"], "fallbacks": ["own"]}
    assert (await operator.put("/models/large", json=large)).status_code == 204
    await gate.until(lambda: gate.gateway.catalogue.get("best"))
    limit = {"subject": "model", "measure": "requests", "period": "day", "amount": 9}
    for wrong in ({"fallbacks": ["bst"]}, {"replacement": "bst"}):
        refused = await operator.put("/models/m", json={"name": "m"} | wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_reference")
    refused = await operator.put("/limits", json=limit | {"model": "bst"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_reference")
    right = {"name": "m", "fallbacks": ["best", "own"], "replacement": "large"}
    assert (await operator.put("/models/m", json=right)).status_code == 204
    assert (await operator.put("/limits", json=limit | {"model": "own"})).status_code == 204
    used = await operator.delete("/models/large")
    assert (used.status_code, used.json()["code"]) == (409, "object_in_use")
    used = await operator.put("/models/large", json={"name": "large"})
    assert (used.status_code, used.json()["code"]) == (409, "object_in_use")
    toml = '[[models]]\nname = "n"\nfallbacks = ["%s"]\n[[models]]\nname = "o"'
    for dry_run in (True, False):
        body = {"toml": toml % "larg", "dry_run": dry_run}
        refused = await operator.post("/apply", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_reference")
    assert len((await operator.get("/models")).json()) == 2
    for name in ("o", "own"):
        body = {"toml": toml % name, "dry_run": False}
        assert (await operator.post("/apply", json=body)).status_code == 200
