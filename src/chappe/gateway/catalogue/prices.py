"""Prices by month: what a model costs from a month on, kept after they change and after it goes."""

from datetime import date

from chappe.core.connections import Connection
from chappe.gateway.catalogue.schemas import ModelSpec

_PRICES = ("price_in", "price_out", "price_audio_hour", "transfer_in", "transfer_out")
_NAMES = ", ".join(_PRICES)
_VALUES = ", ".join(f"%({name})s" for name in _PRICES)
_THIS_MONTH = "coalesce(%(month)s, date_trunc('month', now() at time zone 'UTC')::date)"
_KEEP = f"""
    insert into model_price (model, first_month, {_NAMES})
    select %(name)s, {_THIS_MONTH}, {_VALUES}
    where not exists (
        select from (
            select {_NAMES} from model_price
            where model = %(name)s and first_month <= {_THIS_MONTH}
            order by first_month desc limit 1
        ) as latest where ({_NAMES}) = ({_VALUES})
    )
    on conflict (model, first_month) do update
        set ({_NAMES}) = ({", ".join(f"excluded.{name}" for name in _PRICES)})
"""  # noqa: S608


async def keep_prices(connection: Connection, spec: ModelSpec, month: date | None = None) -> None:
    """Have the prices of a model count from a month on, where they differ from those in force.

    Args:
        month: its first day; None: this month (UTC), by the database's clock.
    """
    values = {name: getattr(spec, name) for name in ("name", *_PRICES)}
    await connection.execute(_KEEP, values | {"month": month})
