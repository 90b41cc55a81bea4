"""Usage and statements as CSV (RFC 4180), for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from chappe.gateway.accounts.reading import Dimension
from chappe.gateway.accounts.statement import Statement, StatementLine
from chappe.gateway.accounts.usage import UsageLine

_NAMED = ("person", "key")


def usage_csv(lines: Iterable[UsageLine], by: Sequence[Dimension]) -> str:
    """One row for each line, with a heading."""
    groups = [name for g in by for name in ((g, f"{g}_name") if g in _NAMED else (g,))]
    sums = [f.name for f in fields(UsageLine) if f.name not in ("period", "groups", "names")]
    rows: list[list[Any]] = []
    for line in lines:
        named = line.groups | {f"{name}_name": shown for name, shown in line.names.items()}
        rows.append(
            [line.period, *(named.get(name) for name in groups), *(getattr(line, n) for n in sums)]
        )
    return _csv(["period", *groups, *sums], rows)


def statement_csv(statement: Statement) -> str:
    """The lines, and last their total."""
    names = [field.name for field in fields(StatementLine)]
    rows = [[asdict(line)[name] for name in names] for line in statement.lines]
    total = {"model": "total"} | {
        name: getattr(statement, name)
        for name in ("requests", "tokens_in", "tokens_cached", "tokens_out", "amount", "transfer")
    }
    return _csv(names, [*rows, [total.get(name) for name in names]])


def _csv(heading: list[str], rows: Iterable[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(heading)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    # A name that begins like this would be calculated by whoever opens the file.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value
