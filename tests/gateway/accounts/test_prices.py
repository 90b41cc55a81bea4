"""Prices by month: what a month cost doesn't change when it is over."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts_support import connected, new_account, query
from chappe.core.connections import Connection, Connections
from chappe.core.database import migrate
from chappe.gateway.accounts.months import month_before, month_of
from chappe.gateway.accounts.reading import Selection
from chappe.gateway.accounts.records import encode
from chappe.gateway.accounts.rows import write
from chappe.gateway.accounts.statement import Statement, statement
from chappe.gateway.accounts.usage import usage
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue.prices import keep_prices
from chappe.gateway.catalogue.schemas import ModelSpec
from chappe.identity import SYSTEM

MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 7)]
END = datetime(2026, 7, 1, tzinfo=UTC)
MODELS = ("small", "large")
MILLION = 1_000_000


def model(name: str, price: float = 0, **fields: object) -> ModelSpec:
    """One euro by million tokens read for each unit of `price`; half of it settled internally."""
    prices = {"price_in": price, "transfer_in": price / 2}
    return ModelSpec.model_validate({"name": name} | prices | fields)


async def use(
    connections: Connections, organisation: uuid.UUID, name: str, moment: datetime
) -> None:
    """A million tokens read, so that its amount is its price."""
    account = new_account(
        model=name, organisation_id=organisation, started_at=moment, site="here", endpoint="e"
    )
    account.usage(MILLION, 0, 0)
    account.outcome = "completed"
    await write(connections, [encode(account)])


async def amounts(connection: Connection, month: datetime) -> dict[str, Decimal | None]:
    """By model, what its line of the month's statement costs; None without a price."""
    found = await statement(connection, SYSTEM, "default", f"{month:%Y-%m}")
    _agrees(found)
    return {line.model: line.amount if line.priced else None for line in found.lines}


def _agrees(found: Statement) -> None:
    assert found.verified is True
    assert found.amount == sum((line.amount for line in found.lines), Decimal(0))
    for line in found.lines:
        assert line.transfer == (Decimal(str(line.amount)) / 2).quantize(Decimal("0.01"))
        assert line.priced or line.amount == 0


@pytest.fixture
async def organisation(database_url: str) -> uuid.UUID:
    ((found,),) = query(database_url, "select id from organisation where slug = 'default'")
    return uuid.UUID(str(found))


@pytest.fixture
async def used(database_url: str, organisation: uuid.UUID) -> AsyncIterator[Connections]:
    """Both models were used at both ends of every month."""
    async with connected(database_url) as connections:
        for month, after in zip(MONTHS, [*MONTHS[1:], END], strict=True):
            for name in MODELS:
                await use(connections, organisation, name, month)
                await use(connections, organisation, name, after - timedelta(microseconds=1))
        yield connections


CHANGES = st.lists(
    st.tuples(st.integers(0, len(MONTHS) - 1), st.sampled_from(MODELS), st.integers(0, 4)),
    max_size=10,
).map(lambda changes: sorted(changes, key=lambda change: change[0]))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES)
async def test_a_month_depends_on_the_changes_up_to_its_end_alone(
    used: Connections, changes: list[tuple[int, str, int]]
) -> None:
    """Prices change as time goes; a statement issued at a month's end is true for ever."""
    async with used.transaction() as connection:
        await connection.execute("delete from model_price")
        issued = []
        for number, month in enumerate(MONTHS):
            for changed, name, price in changes:
                if changed == number:
                    await keep_prices(connection, model(name, price), month.date())
            issued.append(await amounts(connection, month))
        later = [await amounts(connection, month) for month in MONTHS]
        lines = await usage(
            connection, SYSTEM, Selection(begin=MONTHS[0], end=END),
            ("model",), "month",
        )  # fmt: skip
        (whole,) = await usage(connection, SYSTEM, Selection(begin=MONTHS[0], end=END))
    for number, (before, after) in enumerate(zip(issued, later, strict=True)):
        for name in MODELS:
            told = [price for at, changed, price in changes if changed == name and at <= number]
            if told:
                assert before[name] == after[name] == 2 * told[-1]
                continue
            # Not priced yet: it is once it has a first price, that of the end of its first month.
            assert before[name] is None
            firsts = [at for at, changed, _ in changes if changed == name]
            expected = later[firsts[0]][name] if firsts else None
            assert after[name] == expected
    for line in lines:
        number = MONTHS.index(line.period)  # type: ignore[arg-type]
        assert line.amount == (later[number][str(line.groups["model"])] or 0)
    assert whole.amount == sum(line.amount for line in lines)
    assert whole.unpriced == sum(
        2 * len(MONTHS) for name in MODELS if name not in {changed for _, changed, _ in changes}
    )


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES)
async def test_a_price_is_written_only_where_it_changes(
    used: Connections, changes: list[tuple[int, str, int]]
) -> None:
    async with used.transaction() as connection:
        await connection.execute("delete from model_price")
        for number, name, price in changes:
            await keep_prices(connection, model(name, price), MONTHS[number].date())
        before = await admin.rows(connection, "select * from model_price order by 1, 2")
        for row in before:
            await keep_prices(connection, model(row["model"], row["price_in"]), row["first_month"])
        assert await admin.rows(connection, "select * from model_price order by 1, 2") == before
    for name in MODELS:
        in_force: dict[int, int] = {}
        for number, changed, price in changes:
            latest = in_force[max(in_force)] if in_force else None
            if changed == name and price != latest:
                in_force[number] = price
        found = [(row["first_month"], row["price_in"]) for row in before if row["model"] == name]
        assert found == [(MONTHS[n].date(), price) for n, price in sorted(in_force.items())]


async def test_the_catalogue_writes_this_month_and_leaves_the_past(
    database_url: str, organisation: uuid.UUID
) -> None:
    now = datetime.now(UTC)
    last = month_before(month_of(now))
    async with connected(database_url) as connections:
        await use(connections, organisation, "m", last)
        await use(connections, organisation, "m", now)
        async with connections.transaction() as connection:
            await keep_prices(connection, model("m", 1), last.date())
            await admin.put_model(connection, SYSTEM, model("m", 1, context=99))
            assert await admin.rows(connection, "select from model_price") == [{}]
            assert await amounts(connection, month_of(now)) == {"m": 1}
            for price in (5, 7):
                await admin.put_model(connection, SYSTEM, model("m", price))
            assert await amounts(connection, last) == {"m": 1}
            assert await amounts(connection, month_of(now)) == {"m": 7}
            months = await admin.rows(connection, "select first_month from model_price order by 1")
            assert [row["first_month"] for row in months] == [last.date(), month_of(now).date()]


@pytest.mark.parametrize("again", ["another", "m"])
async def test_a_model_that_goes_leaves_its_prices(
    database_url: str, organisation: uuid.UUID, again: str
) -> None:
    """Removed, renamed, or made anew under its old name: what it cost stays."""
    last = month_before(month_of(datetime.now(UTC)))
    async with connected(database_url) as connections:
        await use(connections, organisation, "m", last)
        async with connections.transaction() as connection:
            await keep_prices(connection, model("m", 3), last.date())
            await admin.put_model(connection, SYSTEM, model("m", 3))
            await admin.remove_model(connection, SYSTEM, "m")
            assert await amounts(connection, last) == {"m": 3}
            await admin.put_model(connection, SYSTEM, model(again, 8))
            assert await amounts(connection, last) == {"m": 3}


async def test_months_before_prices_had_months_keep_theirs(database_url: str) -> None:
    migrate(database_url, "base")
    migrate(database_url, "0003")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into model (name, kind, price_in, transfer_in) values ('m', 'chat', 4, 2)"
        )
    migrate(database_url)
    ((organisation,),) = query(database_url, "select id from organisation")
    old = datetime(2024, 2, 29, 23, tzinfo=UTC)
    async with connected(database_url) as connections:
        await use(connections, organisation, "m", old)
        async with connections.transaction() as database:
            await admin.put_model(database, SYSTEM, model("m", 9))
            assert await amounts(database, month_of(old)) == {"m": 4}
