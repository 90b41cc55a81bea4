"""Accounts by API. A key with `operate` reads all, with `manage` its own organisation's.

A refusal is written in the audit log. Any key for models reads its own usage.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import StringConstraints

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.gateway.accounts.account import Outcome
from chappe.gateway.accounts.choosing import refuse_unknown
from chappe.gateway.accounts.latest import AccountPage, latest
from chappe.gateway.accounts.months import last_month
from chappe.gateway.accounts.reading import Dimension, Selection, readable_accounts
from chappe.gateway.accounts.statement import Statement, statement
from chappe.gateway.accounts.table import statement_csv, usage_csv
from chappe.gateway.accounts.usage import Period, UsageLine, usage
from chappe.gateway.http.request import Operation
from chappe.identity import Actor
from chappe.identity.acts import Act
from chappe.identity.http import CurrentActor
from chappe.identity.refusals import record_refusal

router = APIRouter(prefix="/api", tags=["accounts"])

Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Form = Literal["json", "csv"]
By = Annotated[list[Dimension], Query(max_length=8, description="group by these")]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage of a time (UTC): amounts in euros, at the prices of the month of each request.

    Energy is estimated; tokens are the engines' own, or where they didn't report, content events.
    """

    begin: datetime
    end: datetime
    lines: list[UsageLine]


def _range(
    begin: Annotated[
        datetime | None, Query(alias="from", description="none: the beginning of the last month")
    ] = None,
    end: Annotated[datetime | None, Query(alias="to", description="before this; none: now")] = None,
) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    last = _moment(end) if end else now
    return _moment(begin) if begin else last_month(min(last, now)), last


def _moment(value: datetime) -> datetime:
    """A moment in UTC; one without a zone is in UTC already."""
    try:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        reason = at("from, to", wrong("datetime_parsing"))
        raise ChappeError("invalid_request", 422, reason=reason) from error


Range = Annotated[tuple[datetime, datetime], Depends(_range)]


def _selection(
    moments: Range,
    organisation: Name | None = None,
    person: uuid.UUID | None = None,
    key: uuid.UUID | None = None,
    model: Name | None = None,
    endpoint: Name | None = None,
    site: Name | None = None,
    operation: Operation | None = None,
    outcome: Outcome | None = None,
) -> Selection:
    return Selection(
        begin=moments[0],
        end=moments[1],
        organisation=organisation,
        person=person,
        key=key,
        model=model,
        endpoint=endpoint,
        site=site,
        operation=operation,
        outcome=outcome,
    )


Selected = Annotated[Selection, Depends(_selection)]


@asynccontextmanager
async def _reading(
    request: Request, actor: Actor, action: Act, object: str = ""
) -> AsyncIterator[Connection]:
    """A transaction for whoever may read accounts of others.

    Raises:
        ChappeError: `scope_missing` (403), `unknown_organisation` (404); both are audited.
    """
    connections = request.app.state.gateway.connections
    try:
        readable_accounts(actor)
        async with connections.transaction() as connection:
            yield connection
    except ChappeError as error:
        if error.code in ("scope_missing", "unknown_organisation"):
            await record_refusal(connections, actor, action, object, error.code)
        raise


@router.get("/admin/usage", response_model=UsageReport, responses=_CSV)
async def read_usage(
    request: Request,
    actor: CurrentActor,
    selection: Selected,
    by: By = ["model"],  # noqa: B006
    per: Period | None = None,
    format: Form = "json",
) -> UsageReport | Response:
    """Usage by anything, whole or by hour, day or month."""
    async with _reading(request, actor, "usage.read", selection.organisation or "") as connection:
        lines = await usage(connection, actor, selection, by, per)
        if not lines:
            await refuse_unknown(connection, actor, selection, _served(request, actor))
    if format == "csv":
        return _file(usage_csv(lines, by), "usage.csv")
    return UsageReport(selection.begin, selection.end, lines)


@router.get("/admin/statements/{organisation}/{month}", responses=_CSV, response_model=Statement)
async def read_statement(
    request: Request, actor: CurrentActor, organisation: Name, month: Name, format: Form = "json"
) -> Statement | Response:
    """An organisation's month, such as 2026-11, at the prices of that month."""
    async with _reading(request, actor, "statement.read", organisation) as connection:
        found = await statement(connection, actor, organisation, month)
    if format == "csv":
        return _file(statement_csv(found), f"statement-{found.organisation}-{found.month}.csv")
    return found


@router.get("/admin/accounts")
async def read_accounts(
    request: Request,
    actor: CurrentActor,
    selection: Selected,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Name | None = None,
) -> AccountPage:
    """The latest requests, without any content."""
    async with _reading(request, actor, "account.read", selection.organisation or "") as connection:
        page = await latest(connection, actor, selection, limit, after)
        if not page.accounts and after is None:
            await refuse_unknown(connection, actor, selection, _served(request, actor))
    return page


@router.get("/usage")
async def read_own_usage(
    request: Request, actor: CurrentActor, moments: Range, per: Period | None = None
) -> UsageReport:
    """What the key that asks has used, by model."""
    selection = Selection(begin=moments[0], end=moments[1])
    async with request.app.state.gateway.connections.transaction() as connection:
        lines = await usage(connection, actor, selection, ("model",), per, own=True)
    return UsageReport(*moments, lines)


def _served(request: Request, actor: Actor) -> set[str]:
    """The models that are served now and that an actor may know of."""
    models = request.app.state.gateway.catalogue.all()
    return {model.name for model in models if model.public or "operate" in actor.scopes}


def _file(text: str, name: str) -> Response:
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )
