"""What the gateway knows of one endpoint: its own requests exactly, the rest approximately."""

import math
from collections.abc import Callable, Sequence

import msgspec

from chappe.gateway.dispatch.capacity import Limit
from chappe.gateway.dispatch.health import Health
from chappe.gateway.dispatch.job import Endpoint, EngineMetrics, Job
from chappe.gateway.dispatch.settings import DispatchSettings
from chappe.gateway.dispatch.speed import Reading, Writing, learn_whole

# Priors of a server that nothing is known of: 5,000 tokens read a second, 40 ms to begin; a step of
# 20 ms, and half a millisecond more for each stream; reading half as fast beside a hundred streams.
READ_PRIOR = (0.04, 1 / 5_000, 1 / 500_000)
WRITE_PRIOR = (0.02, 0.000_5)

_KV_FULL = 0.95
# Speeds change slowly: an endpoint that answers thousands of requests a second teaches as much by a
# hundred of them.
_LEARN_EVERY = 0.01


class Running(msgspec.Struct, eq=False, gc=False):
    """A request at an endpoint, from :meth:`EndpointState.begin` to :meth:`EndpointState.end`.

    Attributes:
        state: where.
        began, first_at: moments of sending, and of the first token (None before it).
        to_read: tokens of its prompt that the endpoint's cache isn't thought to hold.
        ahead: tokens that the endpoint had to read before its first token, its own included.
        streams: requests that were writing there when it was sent.
        due: moment at which the first token was expected.
        held: tokens of KV memory that it will hold at its end.
        batch, trial: is it batch work; is it the one request of an endpoint on trial.
        streamed: does its first token show.
        tokens: tokens seen so far, by :meth:`progress`.
        beside: requests there when its first token came.
    """

    state: "EndpointState"
    began: float
    to_read: int
    ahead: int
    streams: int
    due: float
    held: int
    batch: bool
    trial: bool
    streamed: bool
    first_at: float | None = None
    tokens: int = 0
    beside: int = 0

    def progress(self, tokens: int) -> None:
        """`tokens` more were seen."""
        self.tokens += tokens


class EndpointState:
    """One endpoint of a pool.

    Attributes:
        in_flight: our own requests there.
        prefill_tokens: tokens that they still have to read.
        kv_tokens: tokens of KV memory that they will hold at their end.
        look_again: tells its pool that something changed there through another pool.
        elsewhere: what other pools have of this endpoint, where it serves several models.
        beside, beside_prefill, beside_trials: our own requests there for those models, what they
            have to read, and how many are trials; kept by :meth:`look_beside`.
        others, others_prefill: requests there that aren't ours, and what they have to read; from
            the engine's metrics and the other replicas, whichever told last.
        read, write: learned speeds.
        limit: how many requests it may hold.
        reading: our requests whose first token hasn't come, oldest first.
        oldest: the first of them.
        look_at: when the pool looks for answers that come whole and are to be taken for begun;
            infinite while it doesn't.
        odometer: tokens sent there in all; cache_from: the odometer when its cache was last empty.
    """

    __slots__ = (
        "batch_in_flight", "batch_reading", "beside", "beside_prefill", "beside_trials", "bucket",
        "by_token", "cache_from", "cache_tokens", "elsewhere", "endpoint", "health", "in_flight",
        "index", "kv_at_reading", "kv_tokens", "kv_usage", "learn_read_at", "learn_write_at",
        "limit", "look_again", "look_at", "metrics_at", "odometer", "oldest", "others", "others_at",
        "others_prefill", "penalty", "position", "prefill_tokens", "read", "reading",
        "reading_since", "trials", "warm_from", "write",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, settings: DispatchSettings, index: int) -> None:
        self.endpoint = endpoint
        self.index = index
        self.health = Health(settings)
        self.limit = Limit(
            settings.capacity_start,
            settings.capacity_floor,
            settings.capacity_ceiling,
            endpoint.capacity,
        )
        self.read = Reading(*READ_PRIOR)
        self.write = Writing(*WRITE_PRIOR)
        self.in_flight = 0
        self.batch_in_flight = 0
        self.batch_reading = 0
        self.prefill_tokens = 0
        self.kv_tokens = 0
        self.look_again: Callable[[EndpointState, float], None] = _nobody
        self.elsewhere: tuple[EndpointState, ...] = ()
        self.beside = self.beside_prefill = self.beside_trials = 0
        self.others = 0
        self.others_prefill = 0
        self.others_at = float("-inf")
        self.metrics_at: float | None = None
        self.kv_usage: float | None = None
        self.kv_at_reading = 0
        self.cache_tokens = endpoint.cache_tokens
        self.odometer = 0
        self.cache_from = 0
        self.reading: dict[Running, None] = {}
        self.oldest: Running | None = None
        self.reading_since = 0.0
        self.look_at = float("inf")
        self.learn_read_at = self.learn_write_at = 0.0
        self.trials = 0
        self.warm_from = float("-inf")
        # Kept by choice.refresh.
        self.by_token = self.penalty = 0.0
        # Places in the pool's index.
        self.bucket = -1
        self.position = -1

    @property
    def id(self) -> str:
        """The endpoint's id."""
        return self.endpoint.id

    @property
    def load(self) -> int:
        """Requests there, ours for whatever model and the others'."""
        return self.in_flight + self.beside + self.others

    @property
    def streams(self) -> int:
        """Requests there that write; all but this model's own are counted."""
        return self.in_flight + self.beside + self.others - len(self.reading)

    @property
    def backlog(self) -> int:
        """Tokens that it has to read."""
        return self.prefill_tokens + self.beside_prefill + self.others_prefill

    def look_beside(self) -> None:
        """Count what the other pools have there."""
        elsewhere = self.elsewhere
        self.beside = sum([state.in_flight for state in elsewhere])
        self.beside_prefill = sum([state.prefill_tokens for state in elsewhere])
        self.beside_trials = sum([state.trials for state in elsewhere])

    def begin(self, job: Job, to_read: int, now: float) -> Running:
        """A request is sent: `to_read` of its prompt's tokens aren't in the endpoint's cache."""
        reading = self.reading
        batch, trial = job.priority == "batch", self.health.state == "trial"
        # `backlog`, `streams` and `read.at`, written out: each request passes here.
        ahead = self.prefill_tokens + self.beside_prefill + self.others_prefill + to_read
        streams = self.in_flight + self.beside + self.others - len(reading)
        read = self.read
        due = now + read.base + ahead * (read.slope + read.by_stream * streams)
        held = job.prompt_tokens + job.output_tokens
        running = Running(self, now, to_read, ahead, streams, due, held, batch, trial, job.streamed)
        if not reading:
            self.reading_since = now
            self.oldest = running
        reading[running] = None
        self.prefill_tokens += to_read
        self.kv_tokens += held
        self.odometer += to_read + job.output_tokens
        self.in_flight += 1
        self.trials += trial
        self.batch_in_flight += batch
        self.batch_reading += batch
        return running

    def first_token(self, running: Running, now: float) -> None:
        """Its first token came; of an answer that comes whole, that says nothing."""
        if not running.streamed or not self._read(running, now):
            return
        running.first_at = now
        running.beside = self.load
        if now >= self.learn_read_at:
            self.learn_read_at = now + _LEARN_EVERY
            self.read.learn(running.ahead, running.streams, now - running.began)

    def assume_read(self, now: float) -> float:
        """Answers that come whole are taken for begun when their first token was due.

        Returns:
            When the next one is due; infinite when there is none. An engine reads its prompts in
            order, so the first that isn't due yet ends the search.
        """
        due = []
        next_due = math.inf
        for running in self.reading:
            if running.due > now:
                next_due = running.due
                break
            if not running.streamed:
                due.append(running)
        for running in due:
            self._read(running, now)
            running.beside = self.load
        return next_due

    def _read(self, running: Running, now: float) -> bool:
        """Its prompt isn't to be read any more; False when that was known already."""
        reading = self.reading
        if running not in reading:
            return False
        del reading[running]
        self.reading_since = now
        if running is self.oldest:
            self.oldest = next(iter(reading), None)
        self.prefill_tokens -= running.to_read
        self.batch_reading -= running.batch
        return True

    def end(
        self, running: Running, now: float, tokens_out: int | None, completed: bool = True
    ) -> float | None:
        """It ended, however; gives its mean time between tokens, where two or more were seen."""
        self._read(running, now)
        written = tokens_out if tokens_out is not None else running.tokens
        itl: float | None = None
        if not running.streamed:
            if completed and now >= self.learn_read_at:
                self.learn_read_at = now + _LEARN_EVERY
                beside = (running.beside + self.load) / 2
                learn_whole(
                    self.read, self.write, running.ahead, running.streams, written, beside,
                    now - running.began,
                )  # fmt: skip
        elif running.first_at is not None and written > 1:
            itl = (now - running.first_at) / (written - 1)
            if written >= 8 and now >= self.learn_write_at:
                self.learn_write_at = now + _LEARN_EVERY
                self.write.learn((running.beside + self.load) / 2, itl)
        self.kv_tokens -= running.held
        self.in_flight -= 1
        self.trials -= running.trial
        self.batch_in_flight -= running.batch
        return itl

    def observe_metrics(self, metrics: EngineMetrics, now: float) -> None:
        """A reading of the engine's own metrics."""
        self.metrics_at = now
        self.kv_usage = metrics.kv_usage
        self.kv_at_reading = self.kv_tokens
        if metrics.cache_tokens is not None:
            self.cache_tokens = metrics.cache_tokens
        others = max(0, metrics.running + metrics.waiting - self.in_flight - self.beside)
        if others == 0:
            self.others_prefill = 0
        elif self.others:
            self.others_prefill = self.others_prefill * others // self.others
        self.others = others
        self.others_at = now
        if metrics.waiting and self._is_blocked(now):
            self.limit.queued(metrics.running, metrics.waiting, now)

    def _is_blocked(self, now: float) -> bool:
        """Does a queue in the engine wait for a place or for memory, and not just to be read."""
        if self.kv_usage is not None and self.kv_usage > _KV_FULL:
            return True
        oldest = self.oldest
        return oldest is not None and now - oldest.due > oldest.due - oldest.began

    def observe_remote(self, in_flight: int, prefill_tokens: int, now: float) -> None:
        """What the other replicas of the gateway say they have there."""
        self.others = in_flight
        self.others_prefill = prefill_tokens
        self.others_at = now

    def forget_others(self, before: float) -> bool:
        """Stop believing in requests that aren't ours if nobody spoke of them since `before`."""
        if not self.others or self.others_at >= before:
            return False
        self.others = self.others_prefill = 0
        return True

    def went_cold(self, now: float) -> None:
        """It comes back, or is new: its cache is empty, and it is taken on gently."""
        self.warm_from = now
        # What was recorded until now carries a smaller odometer.
        self.odometer += 1
        self.cache_from = self.odometer
        self.others = self.others_prefill = 0
        self.kv_usage = None

    def oldest_in_cache(self) -> int:
        """The odometer reading before which what it read is thought thrown out."""
        if self.cache_tokens is None:
            return self.cache_from
        return max(self.cache_from, self.odometer - self.cache_tokens)

    def warmth(self, now: float, seconds: float) -> float:
        """How far a new or returned endpoint has warmed up, 0 to 1."""
        return 1.0 if seconds <= 0 else min(1.0, (now - self.warm_from) / seconds)

    def kv_share(self) -> float:
        """Share of KV memory in use: the last reading, moved by what we sent and ended since."""
        if self.kv_usage is None:
            return 0.0
        if not self.cache_tokens:
            return self.kv_usage
        return self.kv_usage + (self.kv_tokens - self.kv_at_reading) / self.cache_tokens


def _nobody(state: EndpointState, now: float) -> None:
    """It is in no pool."""


def share(states: Sequence[EndpointState], now: float) -> None:
    """These are what several pools have of one endpoint: it has one health and one limit, and each
    pool counts the requests of all."""
    first = states[0]
    for state in states:
        state.health, state.limit = first.health, first.limit
        state.elsewhere = tuple(other for other in states if other is not state)
        state.look_beside()
        state.look_again(state, now)
