"""Learned speeds: how long an endpoint takes to read a prompt and to write a token.

Both are sums of positive terms:

    time to first token      = base + tokens to read x (slope + by_stream x streams)
    time between two tokens  = step + by_stream x streams

because an engine that batches reads a chunk of a prompt and writes a token of every stream in each
step. Each observation moves the coefficients by multiplication, in proportion to their share of
the predicted time (exponentiated gradient on the logarithm of the ratio, Kivinen and Warmuth 1997).
The ratio is clipped, so that one odd measure can't spoil the estimate, and the pace never falls to
zero, so that the past is forgotten.
"""

import math
from collections.abc import Sequence

_CLIP = 0.7
_PACE = 0.03
# The first observations correct the priors, which may be far off.
_FIRST = 4
_FIRST_CLIP = 4.0


def step(
    coefficients: Sequence[float],
    features: Sequence[float],
    observed: float,
    pace: float,
    clip: float = _CLIP,
) -> list[float]:
    """The coefficients after one observation of their sum with these features (both positive).

    With a pace of 1 the new sum is the observation, to the first order, unless it was clipped.
    """
    terms = [c * x for c, x in zip(coefficients, features)]  # noqa: B905 (a hot path)
    predicted = sum(terms)
    ratio = max(-clip, min(clip, math.log(max(observed, 1e-6) / predicted)))
    pull = pace * ratio * predicted / sum([term * term for term in terms])
    return [c * math.exp(pull * term) for c, term in zip(coefficients, terms)]  # noqa: B905


def learn_whole(
    reading: "Reading",
    writing: "Writing",
    tokens: float,
    streams: int,
    written: int,
    beside: float,
    observed: float,
) -> None:
    """Learn both from one time from sending to end, where the first token doesn't show."""
    reading.seen += 1
    intervals = max(0, written - 1)
    (reading.base, reading.slope, reading.by_stream, writing.step, writing.by_stream) = step(
        (reading.base, reading.slope, reading.by_stream, writing.step, writing.by_stream),
        (1.0, tokens, tokens * streams, intervals, intervals * beside),
        observed,
        *_rhythm(reading.seen),
    )


def _rhythm(seen: int) -> tuple[float, float]:
    """Pace and clip of observation number `seen`, from 1."""
    return max(_PACE, 1 / (1 + seen)), _FIRST_CLIP if seen <= _FIRST else _CLIP


class Reading:
    """Time to first token. Coefficients in seconds: once, by token (slope), by token and stream."""

    __slots__ = ("base", "by_stream", "seen", "slope")

    def __init__(self, base: float, slope: float, by_stream: float) -> None:
        self.base = base
        self.slope = slope
        self.by_stream = by_stream
        self.seen = 0

    def token(self, streams: int) -> float:
        """Seconds to read one token beside `streams` that write."""
        return self.slope + self.by_stream * streams

    def at(self, tokens: float, streams: int) -> float:
        """Seconds to the first token, with `tokens` to read before it."""
        return self.base + tokens * (self.slope + self.by_stream * streams)

    def learn(self, tokens: float, streams: int, observed: float) -> None:
        """Move towards an observation."""
        self.seen += 1
        self.base, self.slope, self.by_stream = step(
            (self.base, self.slope, self.by_stream),
            (1.0, tokens, tokens * streams),
            observed,
            *_rhythm(self.seen),
        )


class Writing:
    """Time between two tokens. Coefficients in seconds: by step, by step and stream."""

    __slots__ = ("by_stream", "seen", "step")

    def __init__(self, step: float, by_stream: float) -> None:
        self.step = step
        self.by_stream = by_stream
        self.seen = 0

    def at(self, streams: float) -> float:
        """Seconds from a token to the next, with `streams` in the batch."""
        return self.step + self.by_stream * streams

    def learn(self, streams: float, observed: float) -> None:
        """Move towards an observation."""
        self.seen += 1
        self.step, self.by_stream = step(
            (self.step, self.by_stream), (1.0, streams), observed, *_rhythm(self.seen)
        )
