"""Learned speeds: how long an endpoint takes to read a prompt and to write a token.

Both are lines: time to first token = base + seconds per token x tokens to read; time between two
tokens = step + seconds per stream x streams. Each observation moves the two coefficients by
multiplication, in proportion to their share of the predicted time (exponentiated gradient on the
logarithm of the ratio, Kivinen and Warmuth 1997). The ratio is clipped, so that one odd measure
can't spoil the estimate, and the pace never falls to zero, so that the past is forgotten.
"""

import math

_CLIP = 0.7
_PACE = 0.08
# The first observations correct the priors, which may be far off.
_FIRST = 4
_FIRST_CLIP = 4.0


class Line:
    """y = intercept + slope x, both positive, learned from positive observations.

    Attributes:
        intercept, slope: seconds, and seconds per unit of x.
        seen: number of observations.
        error: forgetting mean of |log(observed / predicted)|.
    """

    __slots__ = ("error", "intercept", "seen", "slope")

    def __init__(self, intercept: float, slope: float) -> None:
        self.intercept = intercept
        self.slope = slope
        self.seen = 0
        self.error = 0.0

    def at(self, x: float) -> float:
        """The predicted value."""
        return self.intercept + self.slope * x

    def learn(self, x: float, observed: float) -> None:
        """Move towards an observation."""
        self.seen += 1
        pace = max(_PACE, 1.0 / (1 + self.seen))
        clip = _FIRST_CLIP if self.seen <= _FIRST else _CLIP
        self.intercept, self.slope, error = step(
            self.intercept, self.slope, x, observed, pace, clip
        )
        self.error += 0.1 * (error - self.error)


def step(
    intercept: float, slope: float, x: float, observed: float, pace: float, clip: float = _CLIP
) -> tuple[float, float, float]:
    """The coefficients after one observation, and the size of the (clipped) error it showed."""
    predicted = intercept + slope * x
    ratio = math.log(max(observed, 1e-6) / predicted)
    ratio = max(-clip, min(clip, ratio))
    share = intercept / predicted
    # Divided by the sum of squared shares, a pace of 1 would explain the observation whole.
    pace /= share * share + (1 - share) * (1 - share)
    return (
        intercept * math.exp(pace * ratio * share),
        slope * math.exp(pace * ratio * (1 - share)),
        abs(ratio),
    )
