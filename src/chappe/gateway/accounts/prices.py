"""What usage costs, in SQL: the prices of the month in which each request was made.

Hourly sums or a statement's lines are `u`, the prices in force `p`.
"""

# Euros, by million tokens and by hour of sound; whole tokens times decimal prices, so it is exact.
AMOUNT = (
    "(u.tokens_in * p.price_in::numeric + u.tokens_out * p.price_out::numeric) / 1000000"
    " + u.audio_seconds::numeric / 3600 * p.price_audio_hour::numeric"
)
TRANSFER = (
    "(u.tokens_in * p.transfer_in::numeric + u.tokens_out * p.transfer_out::numeric) / 1000000"
)


def in_force(model: str, moment: str) -> str:
    """Joins the prices of a model at a moment, both SQL expressions: one row, or none."""
    return (
        f"left join model_price_period p"
        f" on p.model = {model} and p.since <= {moment} and {moment} < p.until"
    )
