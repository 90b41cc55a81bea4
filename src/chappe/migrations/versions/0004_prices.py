"""Prices are kept by month, so that the statement of a month that is over stays as it was."""

from alembic import op

revision = "0004"
down_revision = "0003"

UP = """
-- What a model costs from a month on (UTC), in the units of `model`. Rows outlive their model:
-- statements of the time when it was there need them, so nothing refers to `model`.
create table model_price (
    model text not null,
    first_month date not null check (extract(day from first_month) = 1),
    price_in double precision not null check (price_in >= 0),
    price_out double precision not null check (price_out >= 0),
    price_audio_hour double precision not null check (price_audio_hour >= 0),
    transfer_in double precision not null check (transfer_in >= 0),
    transfer_out double precision not null check (transfer_out >= 0),
    primary key (model, first_month)
);

-- Until now every month had the present prices. 1970 says "as far back as there are accounts"
-- without looking for them: they may be older than any partition that is left.
insert into model_price
    select name, date '1970-01-01', price_in, price_out, price_audio_hour, transfer_in, transfer_out
    from model;

-- When each price was in force. The first one counts for the time before it too: a model of the
-- settings may be used before it is given prices.
create view model_price_period as
    select model, price_in, price_out, price_audio_hour, transfer_in, transfer_out,
        case when row_number() over months = 1 then '-infinity'
            else first_month::timestamp at time zone 'UTC' end as since,
        coalesce(lead(first_month) over months::timestamp at time zone 'UTC', 'infinity') as until
    from model_price
    window months as (partition by model order by first_month);
"""

DOWN = """
drop view model_price_period;
drop table model_price;
"""


def upgrade() -> None:
    """Add the table and its view."""
    op.execute(UP)


def downgrade() -> None:
    """Take them away."""
    op.execute(DOWN)
