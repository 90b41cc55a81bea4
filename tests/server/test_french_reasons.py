"""Whatever is wrong with a request to /api, a French reader is told so in French alone."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI

from chappe.assistant import routes as assistant_routes
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway.accounts import routes as accounts_routes
from chappe.gateway.catalogue import routes as catalogue_routes
from chappe.identity import routes as identity_routes
from chappe.identity.access import SCOPES
from chappe.identity.keys import create_key
from chappe.knowledge import routes as knowledge_routes
from chappe.server.app import handle_errors
from gateway_tower import Tower

WRONG: tuple[Any, ...] = (
    None, "", "x", "é" * 3000, "a\u0000b", "\ud800", -1, 0, 12, 1.5, 1e300, 10**30, True, [], [1],
    ["x"] * 200, {}, {"x": 1}, "2026-13-45", "1e999", "http://:0/v1", "day",
)  # fmt: skip
SENTENCES = {
    key.removeprefix("invalid."): re.compile(re.sub(r"\\\{\w+\\\}", ".*", re.escape(text)), re.S)
    for key, text in json.loads(
        files("chappe.core").joinpath("locales", "fr.json").read_text("utf-8")
    ).items()
    if key.startswith("invalid.")
}
AT = re.compile(r"[^ ]+(?: \([^)]*\))?[^ ]*(?:, [a-z]+)?\u00a0: ")


class Closed:
    """Settings that the routes read."""

    anonymous_page = False


class Nothing:
    """The services behind a search and a question: these tests are about what comes before."""

    async def __call__(self, *_: object, **__: object) -> None:
        raise ChappeError("not_found", 404)

    retrieve = __call__


@dataclass
class Api:
    """The routes of /api, and a client that may do everything."""

    schema: dict[str, Any]
    client: httpx2.AsyncClient


@pytest.fixture
async def api(gate: Tower) -> AsyncIterator[Api]:
    database = Database(gate.database_url, 2)
    async with database.session() as session:
        key = await create_key(session, "all", SCOPES)
    app = FastAPI()
    for room in (
        knowledge_routes, assistant_routes, catalogue_routes, accounts_routes, identity_routes,
    ):  # fmt: skip
        app.include_router(room.router)
    handle_errors(app)
    app.state.gateway, app.state.database, app.state.settings = gate.gateway, database, Closed()
    app.state.search = app.state.assistant = Nothing()
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://t",
        headers={"authorization": f"Bearer {key}", "accept-language": "fr"},
    ) as client:
        yield Api(app.openapi(), client)
    await database.close()


def kinds_of(reason: str) -> set[str]:
    """Which of our French sentences a reason may be."""
    told = AT.sub("", reason, count=1)
    return {
        kind
        for kind, form in SENTENCES.items()
        if kind != "at" and (form.fullmatch(told) or form.fullmatch(reason))
    }


async def refused(api: Api, method: str, path: str, **request: Any) -> set[str]:
    """The kinds of the reason given; none where the request isn't refused as not valid."""
    answer = await api.client.request(method, path, **request)
    assert answer.status_code < 500, (method, path, request, answer.text)
    if answer.status_code < 400 or answer.json()["code"] not in (
        "invalid_request", "catalogue_file",
    ):  # fmt: skip
        return set()
    problem = answer.json()
    assert problem["title"] in (
        "La demande n'est pas valable", "Le fichier de catalogue n'est pas valable",
    )  # fmt: skip
    found = kinds_of(problem["detail"])
    assert found and found != {"other"}, (method, path, request, problem["detail"])
    return found


def fields_of(api: Api, operation: dict[str, Any]) -> dict[str, Any]:
    """The names of a request's body, with values that are right where it needs them."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    described = api.schema["components"]["schemas"].get(name, {})
    needed = {
        "name": "n", "url": "http://h/v1", "slug": "s", "subject": "installation",
        "measure": "concurrency", "amount": 1, "toml": "", "endpoint": "e", "upstream_name": "u",
        "query": "q", "question": "q",
    }  # fmt: skip
    return {field: needed.get(field) for field in described.get("properties", {})}


async def test_every_field_of_every_body(api: Api) -> None:
    seen: set[str] = set()
    bodies = 0
    for path, operations in api.schema["paths"].items():
        for method, operation in operations.items():
            fields = fields_of(api, operation)
            if not fields:
                continue
            bodies += 1
            path_of = re.sub(r"\{\w+id\}", "00000000-0000-0000-0000-000000000000", path)
            address = re.sub(r"\{\w+\}", "n", path_of)
            right = {name: value for name, value in fields.items() if value is not None}
            for body in ({}, [], "x", None, right | {"nothing": 1}):
                seen |= await refused(api, method.upper(), address, json=body)
            for text in (b"", b"{", b"\xff", b"[" * 100_000):
                headers = {"content-type": "application/json"}
                seen |= await refused(api, method.upper(), address, content=text, headers=headers)
            for name in fields:
                for value in WRONG:
                    body = json.dumps(right | {name: value}, allow_nan=True).encode()
                    headers = {"content-type": "application/json"}
                    seen |= await refused(
                        api, method.upper(), address, content=body, headers=headers
                    )
    assert bodies >= 12
    assert seen >= {
        "missing", "extra_forbidden", "string_type", "string_too_short", "string_too_long",
        "string_pattern_mismatch", "int_type", "int_from_float", "float_type", "bool_type",
        "literal_error", "list_type", "dict_type", "model_attributes_type", "too_long",
        "greater_than", "greater_than_equal", "less_than_equal", "json_invalid", "not_storable",
        "no_server_address", "limit_period", "path_type",
    }, "a kind that should have been met wasn't"  # fmt: skip


async def test_every_parameter_of_every_address(api: Api) -> None:
    seen: set[str] = set()
    for path, operations in api.schema["paths"].items():
        for method, operation in operations.items():
            identifier = "00000000-0000-0000-0000-000000000000"
            right = re.sub(r"\{\w+id\}", identifier, path)
            for parameter in operation.get("parameters", []):
                for value in WRONG:
                    text = str(value).encode("utf-8", "replace").decode()[:2000]
                    if parameter["in"] == "path":
                        if not text.strip("./") or text in ("None", "[]", "{}"):
                            continue
                        one = path.replace(f"{{{parameter['name']}}}", quote(text, safe=""))
                        address = re.sub(r"\{\w+\}", identifier, one)
                        seen |= await refused(api, method.upper(), address)
                    else:
                        address = re.sub(r"\{\w+\}", "n", right)
                        given = {parameter["name"]: text}
                        seen |= await refused(api, method.upper(), address, params=given)
    assert seen >= {
        "uuid_parsing", "int_parsing", "literal_error", "string_pattern_mismatch",
        "greater_than_equal", "less_than_equal",
    }  # fmt: skip
    assert any(kind.startswith("datetime") for kind in seen)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("a =", "TOML"),
        ('[[models]]\nname = "m"\ncontext = "long"', "un nombre entier est attendu"),
        ('[[models]]\nname = "m"\n[[models]]\nname = "m"', "m y est deux fois"),
        ('[[endpoints]]\nname = "e"\nurl = "http://h/v1?a=1"', "une adresse finit par son chemin"),
        ('[[endpoints]]\nname = "e"\nurl = "http://u:p@h/v1"', "donnez un secret"),
        (
            '[[endpoints]]\nname = "e"\nurl = "http://h"\nsecret = "a"\nsecret_env = "A"',
            "donnez un seul",
        ),
        ('[[endpoints]]\nname = "e"\nurl = "http://h"\nsecret = "é"', "ASCII visibles"),
        ('[[endpoints]]\nname = "e"\nurl = "http://h"\nsecret_env = "A"', "par commande"),
        (
            '[[limits]]\nsubject = "model"\nmeasure = "concurrency"\namount = 1',
            "une limite de tous sur un modèle",
        ),
        (
            '[[models]]\nname = "m"\ngrants = ["people"]',
            "« people » ; sont possibles : organisation:…",
        ),
    ],
)
async def test_what_is_wrong_with_a_file(api: Api, toml: str, told: str) -> None:
    answer = await api.client.post("/api/admin/apply", json={"toml": toml, "dry_run": True})
    assert answer.status_code == 422
    reason = answer.json()["detail"]
    assert told in reason.replace("\u00a0", " ") and kinds_of(reason)


async def test_two_organisations_with_one_number(api: Api) -> None:
    for slug, status in (("a", 204), ("b", 409)):
        body = {"slug": slug, "siret": "21690123100011"}
        answer = await api.client.put(f"/api/admin/organisations/{slug}", json=body)
        assert answer.status_code == status
    assert kinds_of(answer.json()["detail"]) == {"conflict"}
