"""A limit: whose, on what, how much, and what a request costs under it. Pure."""

import uuid
from dataclasses import dataclass
from typing import Literal

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
PERIOD_SECONDS: dict[Period | None, float] = {
    None: 0.0,
    "minute": 60.0,
    "day": 86_400.0,
    "month": 30 * 86_400.0,
}


@dataclass(frozen=True, slots=True)
class Work:
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

    def charge(self, work: Work) -> float:
        """What a piece of work costs, in the limit's own unit."""
        match self.measure:
            case "tokens":
                return self.input_weight * work.tokens_in + self.output_weight * work.tokens_out
            case "requests" | "concurrency":
                return 1.0
            case "audio_seconds":
                return work.audio_seconds
            case "energy_wh":
                return work.energy_wh

    @property
    def description(self) -> str:
        """`tokens per day of the organisation, model mistral`."""
        per = f" per {self.period}" if self.period else ""
        whose = {"model": "everybody", "installation": "everybody"}.get(
            self.subject_kind, f"the {self.subject_kind}"
        )
        on = f", model {self.model}" if self.model else ""
        return f"{self.amount:g} {self.measure}{per} of {whose}{on}"
