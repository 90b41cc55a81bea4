"""Budgets that warn or slow down, as a client sees them."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chappe.gateway.quotas.limits import window_end, window_start
from gateway_tower import Server, Tower

MESSAGES: Any = [{"role": "user", "content": "bonjour"}]
WARNING = "x-chappe-budget-warning"


@dataclass
class Clocked(Server):
    """A server that notes when each request reaches it."""

    times: list[float] = field(default_factory=list)

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.times.append(asyncio.get_running_loop().time())
        await super()._answer(request, writer)


async def ask(gate: Tower) -> dict[str, str]:
    """The headers of an answer."""
    whole = gate.client().chat.completions.with_raw_response
    answer = await whole.create(model="m", messages=MESSAGES)
    assert answer.status_code == 200
    return dict(answer.headers)


async def set_limit(gate: Tower, action: str, amount: float, warn_at: float) -> None:
    """A limit on the month's requests, once the gateway has it and has told a first use of it.

    Limits that don't refuse are counted a moment later than those that do.
    """
    await gate.execute(
        "insert into quota_limit (subject_kind, measure, period, amount, action, warn_at)"
        " values ('installation', 'requests', 'month', %s, %s, %s)",
        amount, action, warn_at,
    )  # fmt: skip
    await gate.until(lambda: gate.gateway.quotas._limits)
    assert WARNING not in await ask(gate)
    await gate.until(lambda: any(held for _, held in gate.gateway.quotas.states().values()), 15)


async def test_a_budget_that_warns_tells_it_and_lets_through(gate: Tower) -> None:
    await gate.add_model(Server())
    await set_limit(gate, "warn", 5, 0.8)
    seen = [await ask(gate) for _ in range(6)]
    assert [WARNING in headers for headers in seen] == [False] * 3 + [True] * 3
    assert "5 requests per month" in seen[3][WARNING]
    assert len(await gate.accounts(7)) == 7


async def test_a_budget_that_slows_spreads_requests_and_warns(gate: Tower) -> None:
    """Each waits for its turn, so that what is left lasts until the window's end."""
    server = Clocked()
    await gate.add_model(server)
    now = datetime.now(UTC).timestamp()
    left = window_end("month", window_start("month", now)) - now
    spacing = 0.3
    await set_limit(gate, "slow", left / spacing, 0.0)
    seen = await asyncio.gather(*(ask(gate) for _ in range(4)))
    assert all(WARNING in headers for headers in seen)
    del server.times[0]
    gaps = [later - before for before, later in zip(server.times, server.times[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) > spacing / 2
    assert server.most_working == 1
    await gate.accounts(5)
    slowest = await gate.execute(
        "select queue_ms, overhead_ms from request_account order by queue_ms desc limit 1"
    )
    # The pause is waiting, not work of ours.
    assert slowest[0][0] > 1000 * spacing > slowest[0][1]
