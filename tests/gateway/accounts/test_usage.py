"""Usage, statements and pages of accounts, on random accounts of three organisations."""

import csv
import io
import json
import random
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from accounts_support import connected, query, random_account
from chappe.core.errors import ChappeError
from chappe.gateway.accounts import Account
from chappe.gateway.accounts.latest import latest
from chappe.gateway.accounts.months import prepare_months
from chappe.gateway.accounts.reading import DIMENSIONS, Selection
from chappe.gateway.accounts.records import encode
from chappe.gateway.accounts.retention import enforce
from chappe.gateway.accounts.routes import router
from chappe.gateway.accounts.rows import write
from chappe.gateway.accounts.statement import statement
from chappe.gateway.accounts.table import statement_csv, usage_csv
from chappe.gateway.accounts.usage import UsageLine, usage
from chappe.gateway.catalogue import Catalogue, Model
from chappe.gateway.catalogue.prices import keep_prices
from chappe.gateway.catalogue.schemas import ModelSpec
from chappe.identity import SYSTEM, Actor
from chappe.identity.http import actor_of

BEGIN, MIDDLE, END = (datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12))
ALL = Selection(begin=BEGIN, end=END)
SLUGS = ("rennes", "lyon", "metz")
PRICES = {"small": (0.15, 0.6, 0.01, 0.02), "large": (2.0, 6.0, 1.1, 3.3)}
RATES = ("price_in", "price_out", "transfer_in", "transfer_out")
COUNTS = ("requests", "tokens_in", "tokens_cached", "tokens_out")


@dataclass(frozen=True)
class World:
    url: str
    accounts: list[Account]
    organisations: dict[str, uuid.UUID]
    keys: dict[str, uuid.UUID]

    def reader(self, slug: str, *scopes: str) -> Actor:
        return Actor(
            "key",
            frozenset(scopes),
            key_id=self.keys[slug],
            organisation_id=self.organisations[slug],
            organisation=slug,
        )


@pytest.fixture
async def world(database_url: str) -> World:
    chance = random.Random(5)
    organisations, keys = {}, {}
    with psycopg.connect(database_url) as connection:
        for slug in SLUGS:
            row = connection.execute(
                "insert into organisation (slug, name) values (%s, %s) returning id", (slug, slug)
            ).fetchone()
            assert row
            organisations[slug] = row[0]
            row = connection.execute(
                "insert into api_key (name, prefix, digest, scopes, organisation_id)"
                " values (%s, 'chp_', %s, '{models}', %s) returning id",
                (f"=key of {slug}", slug.encode(), row[0]),
            ).fetchone()
            assert row
            keys[slug] = row[0]
    accounts = []
    for _ in range(3000):
        slug = chance.choice(SLUGS)
        account = random_account(
            chance,
            organisation_id=organisations[slug],
            key_id=keys[slug],
            started_at=BEGIN + (END - BEGIN) * chance.random(),
        )
        if chance.random() < 0.05:
            account.model = "gone"
        if account.tokens_origin == "none":
            account.content()
        account.outcome = chance.choice(("completed", "cancelled", "failed"))
        accounts.append(account)
    # The borders of the month, to the microsecond.
    for moment in (MIDDLE - timedelta(microseconds=1), MIDDLE, END - timedelta(microseconds=1)):
        account = random_account(
            chance, organisation_id=organisations["lyon"], key_id=keys["lyon"], started_at=moment
        )
        account.outcome = "completed"
        accounts.append(account)
    async with connected(database_url) as connections:
        async with connections.transaction() as connection:
            for name, prices in PRICES.items():
                values = dict(zip(RATES, prices, strict=True))
                await keep_prices(connection, ModelSpec.model_validate({"name": name} | values))
        await prepare_months(connections, BEGIN)
        for start in range(0, len(accounts), 500):
            await write(connections, [encode(a) for a in accounts[start : start + 500]])
    return World(database_url, accounts, organisations, keys)


def sums(accounts: list[Account]) -> tuple[int, ...]:
    return (
        len(accounts),
        sum(a.tokens_in or 0 for a in accounts),
        sum(a.tokens_cached or 0 for a in accounts),
        sum(a.tokens_out or 0 for a in accounts),
    )


def totals_of(lines: list[UsageLine]) -> tuple[int, ...]:
    return tuple(sum(getattr(line, name) for line in lines) for name in COUNTS)


def cost(account: Account, first: int) -> Decimal:
    """Euros by the first two prices of a model, or by its internal rates."""
    prices = PRICES.get(account.model, (0.0,) * 4)[first : first + 2]
    tokens = (account.tokens_in or 0, account.tokens_out or 0)
    return sum(
        (n * Decimal(str(p)) / 1_000_000 for n, p in zip(tokens, prices, strict=True)), Decimal(0)
    )


async def test_every_grouping_adds_up_to_the_accounts(world: World) -> None:
    expected = sums(world.accounts)
    async with connected(world.url) as connections, connections.transaction() as connection:
        for per in (None, "hour", "day", "month"):
            for by in ((), *((name,) for name in DIMENSIONS), ("organisation", "model", "site")):
                lines = await usage(connection, SYSTEM, ALL, by, per)
                assert totals_of(lines) == expected, (by, per)
                assert len({(line.period, *line.groups.values()) for line in lines}) == len(lines)
                unpriced = sum(line.unpriced for line in lines)
                assert unpriced == sum(a.model == "gone" for a in world.accounts)
                amount = sum((line.amount for line in lines), Decimal(0))
                audio_free = sum((cost(a, 0) for a in world.accounts), Decimal(0))
                assert amount == pytest.approx(audio_free, abs=Decimal("1e-9"))
                transfer = sum((line.transfer for line in lines), Decimal(0))
                assert transfer == sum((cost(a, 2) for a in world.accounts), Decimal(0))


async def test_each_filter_gives_just_its_accounts(world: World) -> None:
    slug = "lyon"
    filters = {
        "organisation": (slug, lambda a: a.organisation_id == world.organisations[slug]),
        "key": (world.keys[slug], lambda a: a.key_id == world.keys[slug]),
        "model": ("small", lambda a: a.model == "small"),
        "endpoint": ("a", lambda a: a.endpoint == "a"),
        "site": ("lyon", lambda a: a.site == "lyon"),
        "outcome": ("failed", lambda a: a.outcome == "failed"),
        "operation": ("embeddings", lambda a: a.operation == "embeddings"),
        "person": (uuid.uuid4(), lambda a: False),
    }
    assert filters.keys() == DIMENSIONS.keys()
    async with connected(world.url) as connections, connections.transaction() as connection:
        for name, (value, keeps) in filters.items():
            chosen = Selection(begin=MIDDLE, end=END, **{name: value})
            (line,) = await usage(connection, SYSTEM, chosen)
            expected = [a for a in world.accounts if a.started_at >= MIDDLE and keeps(a)]
            assert totals_of([line]) == sums(expected), name


async def test_a_statement_adds_up_to_the_last_token(world: World) -> None:
    async with connected(world.url) as connections:
        for slug in SLUGS:
            own = [
                a
                for a in world.accounts
                if a.organisation_id == world.organisations[slug] and a.started_at >= MIDDLE
            ]
            async with connections.transaction() as connection:
                found = await statement(connection, SYSTEM, slug, "2026-11")
            assert tuple(getattr(found, name) for name in COUNTS) == sums(own)
            assert tuple(sum(getattr(x, n) for x in found.lines) for n in COUNTS) == sums(own)
            assert found.verified is True
            by_line = Counter((a.model, a.site or "") for a in own)
            assert {(x.model, x.site): x.requests for x in found.lines} == by_line
            counted = [a for a in own if a.tokens_origin == "counted"]
            assert sum(x.tokens_counted or 0 for x in found.lines) == sums(counted)[3] > 0
            assert found.amount == sum((x.amount for x in found.lines), Decimal(0))
            for line in found.lines:
                theirs = [a for a in own if (a.model, a.site or "") == (line.model, line.site)]
                assert abs(line.amount - sum(cost(a, 0) for a in theirs)) <= Decimal("0.005")
                assert abs(line.transfer - sum(cost(a, 2) for a in theirs)) <= Decimal("0.005")
                assert line.priced == (line.model != "gone")


async def test_a_statement_tells_when_sums_and_accounts_part(world: World) -> None:
    with psycopg.connect(world.url) as connection:
        connection.execute(
            "update usage_hour set tokens_out = tokens_out + 1 where ctid = (select ctid from"
            " usage_hour where organisation_id = %s and hour >= %s limit 1)",
            (world.organisations["metz"], MIDDLE),
        )
    async with connected(world.url) as connections, connections.transaction() as connection:
        assert (await statement(connection, SYSTEM, "metz", "2026-11")).verified is False
        assert (await statement(connection, SYSTEM, "lyon", "2026-11")).verified is True
    with psycopg.connect(world.url) as connection:  # all rows lost isn't retention
        connection.execute("delete from request_account")
    async with connected(world.url) as connections, connections.transaction() as connection:
        assert (await statement(connection, SYSTEM, "lyon", "2026-11")).verified is False


async def test_a_statement_outlives_its_accounts(world: World) -> None:
    async with connected(world.url) as connections:
        async with connections.transaction() as connection:
            before = await statement(connection, SYSTEM, "lyon", "2026-10")
        report = await enforce(connections, 1, datetime(2026, 12, 15, tzinfo=UTC))
        assert report.partitions == ["request_account_2026_10"]
        async with connections.transaction() as connection:
            after = await statement(connection, SYSTEM, "lyon", "2026-10")
    assert before.verified is True and after.verified is None
    assert all(line.tokens_counted is None for line in after.lines)
    names = (*COUNTS, "amount", "transfer")
    assert [getattr(after, n) for n in names] == [getattr(before, n) for n in names]


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "0000-01", "9999-12", "2026-11-01", ""])
async def test_what_is_no_month_is_refused(world: World, month: str) -> None:
    async with connected(world.url) as connections, connections.transaction() as connection:
        with pytest.raises(ChappeError) as caught:
            await statement(connection, SYSTEM, "lyon", month)
    assert caught.value.code == "invalid_request"


async def test_pages_show_each_account_once(world: World) -> None:
    seen: list[uuid.UUID] = []
    after = None
    async with connected(world.url) as connections, connections.transaction() as connection:
        while True:
            page = await latest(connection, SYSTEM, ALL, 700, after)
            seen += [row["id"] for row in page.accounts]
            if (after := page.next) is None:
                break
    newest = sorted(world.accounts, key=lambda a: (a.started_at, a.id), reverse=True)
    assert seen == [uuid.UUID(account.id) for account in newest]


async def test_csv_says_the_same(world: World) -> None:
    async with connected(world.url) as connections, connections.transaction() as connection:
        lines = await usage(connection, SYSTEM, ALL, ("key", "model"), "day")
        found = await statement(connection, SYSTEM, "lyon", "2026-11")
    rows = list(csv.DictReader(io.StringIO(usage_csv(lines, ("key", "model")))))
    assert sum(int(row["tokens_out"]) for row in rows) == sums(world.accounts)[3]
    # Nobody's name of a key is calculated by a spreadsheet.
    assert {row["key_name"] for row in rows} == {f"'=key of {slug}" for slug in SLUGS}
    *rows, total = csv.DictReader(io.StringIO(statement_csv(found)))
    assert total["model"] == "total" and int(total["tokens_in"]) == found.tokens_in
    assert sum(int(row["tokens_in"]) for row in rows) == found.tokens_in
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(total["amount"])


# Who may


class Gateway:
    """What the routes need of one."""

    def __init__(self, connections: object) -> None:
        self.connections = connections
        self.catalogue = Catalogue(
            [Model("configured", "chat"), Model("secret", "chat", public=False)]
        )


async def ask(world: World, actor: Actor, path: str) -> tuple[int, Any]:
    """Status and answer of a route, for this actor, through the application's own interface."""
    app = FastAPI()
    app.include_router(router)
    app.dependency_overrides[actor_of] = lambda: actor

    @app.exception_handler(ChappeError)
    async def told(request: object, error: ChappeError) -> JSONResponse:
        return JSONResponse({"code": error.code}, error.status)

    target, _, parameters = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": target, "raw_path": target.encode(), "root_path": "",
        "query_string": parameters.encode(), "headers": [], "app": app,
    }  # fmt: skip
    status, kind, body = 0, b"", b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, kind, body
        if message["type"] == "http.response.start":
            status, kind = message["status"], dict(message["headers"])[b"content-type"]
        body += message.get("body", b"")

    async with connected(world.url) as connections:
        app.state.gateway = Gateway(connections)
        await app(scope, receive, send)
    return status, json.loads(body) if b"json" in kind else body.decode()


RANGE = "from=2026-10-01T00:00:00Z&to=2026-12-01T00:00:00Z"


async def test_a_manager_reads_its_organisation_alone(world: World) -> None:
    manager = world.reader("lyon", "models", "manage")
    own = sums([a for a in world.accounts if a.organisation_id == world.organisations["lyon"]])
    status, answer = await ask(world, manager, f"/api/admin/usage?{RANGE}&by=organisation")
    assert status == 200
    (line,) = answer["lines"]
    assert line["groups"] == {"organisation": "lyon"}
    assert tuple(line[name] for name in COUNTS) == own
    status, answer = await ask(world, manager, f"/api/admin/accounts?{RANGE}&limit=1000")
    assert status == 200
    assert {row["organisation_id"] for row in answer["accounts"]} == {
        str(world.organisations["lyon"])
    }
    assert (await ask(world, manager, "/api/admin/statements/lyon/2026-11"))[0] == 200
    # Another's is as if it weren't there, and that is written down.
    for path in ("statements/metz/2026-11", "statements/nobody/2026-11"):
        assert await ask(world, manager, f"/api/admin/{path}") == (
            404,
            {"code": "unknown_organisation"},
        )
    assert (await ask(world, manager, f"/api/admin/usage?{RANGE}&organisation=metz"))[0] == 404
    # Another's key is no more known than one that doesn't exist.
    for key in (world.keys["metz"], uuid.uuid4()):
        for path in ("usage", "accounts"):
            other = f"/api/admin/{path}?{RANGE}&key={key}"
            assert await ask(world, manager, other) == (422, {"code": "unknown_value"})
    refused = query(world.url, "select action, object, outcome from audit_entry order by sequence")
    assert refused == [
        ("statement.read", "metz", "refused"),
        ("statement.read", "nobody", "refused"),
        ("usage.read", "metz", "refused"),
    ]


async def test_a_plain_key_reads_its_own_usage(world: World) -> None:
    plain = world.reader("metz", "models")
    own = [a for a in world.accounts if a.key_id == world.keys["metz"]]
    status, answer = await ask(world, plain, f"/api/usage?{RANGE}&per=month")
    assert status == 200
    assert sum(line["requests"] for line in answer["lines"]) == len(own)
    for path in ("usage", "accounts", "statements/metz/2026-11"):
        assert (await ask(world, plain, f"/api/admin/{path}"))[0] == 403
    # An operator's own usage is its own too.
    operator = world.reader("lyon", "models", "operate")
    status, answer = await ask(world, operator, f"/api/usage?{RANGE}")
    own = [a for a in world.accounts if a.key_id == world.keys["lyon"]]
    assert sum(line["requests"] for line in answer["lines"]) == len(own)
    page = Actor("page", frozenset({"search", "ask"}))
    assert (await ask(world, page, "/api/usage"))[0] == 403


async def test_an_operator_gets_a_file(world: World) -> None:
    operator = world.reader("lyon", "operate")
    status, text = await ask(world, operator, f"/api/admin/usage?{RANGE}&by=site&format=csv")
    assert status == 200
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(row["requests"]) for row in rows) == len(world.accounts)


async def test_no_route_shows_content(world: World) -> None:
    operator = world.reader("lyon", "operate")
    status, answer = await ask(world, operator, f"/api/admin/accounts?{RANGE}&limit=1")
    assert status == 200
    (row,) = answer["accounts"]
    assert not row.keys() & {"prompt", "messages", "content", "body", "secret"}
    for bad in ("after=x", "after=2026-01-01_x", "model=%00", "from=0001-01-01T00:00:00%2B14:00"):
        assert (await ask(world, operator, f"/api/admin/accounts?{bad}"))[0] == 422, bad


EMPTY = "from=2027-01-01T00:00:00Z&to=2027-02-01T00:00:00Z"


async def test_a_question_that_cannot_be_meant_is_refused(world: World) -> None:
    operator = world.reader("lyon", "models", "operate")
    backwards = (
        "from=2026-12-01T00:00:00Z&to=2026-11-01T00:00:00Z",
        "from=2026-11-01T00:00:00Z&to=2026-11-01T00:00:00Z",
        "from=2999-01-01T00:00:00Z",
        "to=0001-01-01T00:00:00Z",
    )
    for path in ("admin/usage", "admin/accounts", "usage"):
        for bad in backwards:
            answer = await ask(world, operator, f"/api/{path}?{bad}")
            assert answer == (422, {"code": "range_backwards"}), (path, bad)
    for path in ("usage", "accounts"):
        for bad in (
            "model=smal", "endpoint=z", "site=nowhere", f"person={uuid.uuid4()}",
            f"key={uuid.uuid4()}",
        ):  # fmt: skip
            answer = await ask(world, operator, f"/api/admin/{path}?{RANGE}&{bad}")
            assert answer == (422, {"code": "unknown_value"}), bad
        for bad in ("outcome=complete", "operation=chat"):
            assert (await ask(world, operator, f"/api/admin/{path}?{RANGE}&{bad}"))[0] == 422, bad


async def test_what_is_known_but_had_no_use_then_answers_with_nothing(world: World) -> None:
    with psycopg.connect(world.url) as connection:
        connection.execute("insert into model (name, kind) values ('new', 'chat')")
        connection.execute("insert into model (name, kind, public) values ('own', 'chat', false)")
        connection.execute("insert into endpoint (name, url, site) values ('e', 'http://e', 's')")
        row = connection.execute(
            "insert into person (organisation_id, name) values (%s, 'Ada') returning id",
            (world.organisations["lyon"],),
        ).fetchone()
    assert row
    operator, manager = world.reader("metz", "operate"), world.reader("metz", "manage")
    for given, known_to_manager in (
        ("model=small", True), ("model=gone", True), ("model=new", True), ("model=own", False),
        ("model=configured", True), ("model=secret", False), ("endpoint=e", False),
        ("site=s", False), ("endpoint=a", True), ("outcome=timed_out", True),
        (f"person={row[0]}", False), (f"key={world.keys['metz']}", True),
        (f"key={world.keys['lyon']}", False),
    ):  # fmt: skip
        path = f"/api/admin/usage?{EMPTY}&{given}"
        status, answer = await ask(world, operator, path)
        assert (status, answer["lines"]) == (200, []), given
        assert (await ask(world, manager, path))[0] == (200 if known_to_manager else 422), given


async def test_a_time_that_ends_with_a_month_begins_with_it(world: World) -> None:
    operator = world.reader("lyon", "operate")
    _, answer = await ask(world, operator, "/api/admin/usage?to=2020-11-01T00:00:00Z")
    assert answer["begin"].startswith("2020-10-01")
