"""A limit: whose, on what, how much, and what a request costs under it. Pure."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from chappe.identity import Actor

Subject = Literal["key", "person", "organisation", "model", "installation"]
Measure = Literal["requests", "tokens", "concurrency", "audio_seconds", "energy_wh"]
Period = Literal["minute", "day", "month"]
Action = Literal["warn", "slow", "refuse"]

SUBJECTS: tuple[Subject, ...] = ("key", "person", "organisation", "model", "installation")
MEASURES: tuple[Measure, ...] = (
    "requests", "tokens", "concurrency", "audio_seconds", "energy_wh",
)  # fmt: skip
PERIODS: tuple[Period, ...] = ("minute", "day", "month")
ACTIONS: tuple[Action, ...] = ("warn", "slow", "refuse")


class Work(msgspec.Struct, frozen=True, gc=False):
    """What a request costs, or may cost at most.

    Attributes:
        tokens_in, tokens_out: read and written.
        audio_seconds: of sound.
        energy_wh: watt-hours, estimated.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    audio_seconds: float = 0.0
    energy_wh: float = 0.0


class Rates(msgspec.Struct, frozen=True, gc=False):
    """What a limit charges: for each request, and for each unit of its work."""

    request: float = 0.0
    read: float = 0.0
    written: float = 0.0
    audio_second: float = 0.0
    energy_wh: float = 0.0

    def charge(self, work: Work) -> float:
        """What a piece of work costs, in the limit's own unit."""
        return (
            self.request
            + self.read * work.tokens_in
            + self.written * work.tokens_out
            + self.audio_second * work.audio_seconds
            + self.energy_wh * work.energy_wh
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as the catalogue holds it. Periods are calendar minutes, days and months, in UTC.

    Attributes:
        subject_id: of the key, person or organisation.
        model: with one, only what is asked of it counts.
        period: None for a concurrency.
        input_weight, output_weight: of tokens read and written.
        action: what happens beyond it.
        warn_at: share of the amount from which answers carry a warning.
    """

    id: uuid.UUID
    subject_kind: Subject
    subject_id: uuid.UUID | None
    model: str | None
    measure: Measure
    period: Period | None
    amount: float
    input_weight: float = 1.0
    output_weight: float = 1.0
    action: Action = "refuse"
    warn_at: float = 0.8

    def covers(self, actor: Actor, model: str) -> bool:
        """Does it count what this actor asks of this model."""
        if self.model is not None and self.model != model:
            return False
        match self.subject_kind:
            case "key":
                return self.subject_id == actor.key_id
            case "person":
                return self.subject_id == actor.person_id
            case "organisation":
                return self.subject_id == actor.organisation_id
            case "model" | "installation":
                return True

    @property
    def rates(self) -> Rates:
        """What it charges."""
        match self.measure:
            case "tokens":
                return Rates(read=self.input_weight, written=self.output_weight)
            case "requests" | "concurrency":
                return Rates(request=1.0)
            case "audio_seconds":
                return Rates(audio_second=1.0)
            case "energy_wh":
                return Rates(energy_wh=1.0)


def window_start(period: Period, moment: float) -> float:
    """Beginning of the window that holds a moment; both in seconds since 1970, UTC."""
    if period == "minute":
        return moment // 60 * 60
    if period == "day":
        return moment // 86_400 * 86_400
    day = datetime.fromtimestamp(moment, UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()


def window_end(period: Period, start: float) -> float:
    """End of the window that begins at `start`; both in seconds since 1970, UTC."""
    if period == "minute":
        return start + 60
    if period == "day":
        return start + 86_400
    day = datetime.fromtimestamp(start, UTC) + timedelta(days=31)
    return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()


def pace(
    charge: float, left: float, seconds_left: float, replicas: int, turn: float, now: float,
    longest: float,
) -> tuple[float, float]:  # fmt: skip
    """How long a request waits so that what is left of a limit lasts to the end of its window.

    Each replica lets through left / seconds_left / replicas a second, one request after the other.

    Args:
        charge: what the request costs.
        left: what is left of the limit.
        seconds_left: until the window ends.
        replicas: how many share what is left.
        turn: when the next request may go, as this function gave it the last time.
        now: on the clock of `turn`.
        longest: longest wait, in seconds.

    Returns:
        The seconds to wait, and the turn of the request after this one.
    """
    begin = min(max(now, turn), now + longest)
    if left <= 0:
        return longest, now + longest
    return begin - now, begin + charge * seconds_left * replicas / left
