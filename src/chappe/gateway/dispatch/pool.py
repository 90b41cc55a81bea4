"""All the endpoints of one model: what is known of them, and the choice of one for each job."""

import heapq
import random
from collections.abc import Iterable, Iterator

from chappe.gateway.dispatch.buckets import Buckets, bucket_of
from chappe.gateway.dispatch.capacity import Limit
from chappe.gateway.dispatch.choice import (
    cost,
    is_open,
    is_open_for_batch,
    is_silent,
    refresh,
    standing_cost,
)
from chappe.gateway.dispatch.health import Health
from chappe.gateway.dispatch.job import Endpoint, EngineMetrics, Job, Outcome
from chappe.gateway.dispatch.prefix import BLOCK_BYTES, PrefixIndex
from chappe.gateway.dispatch.settings import DispatchSettings
from chappe.gateway.dispatch.state import EndpointState, Running

# A pool no larger than this is looked at whole; of a larger one, so many of each kind.
_SMALL = 12
_LOWEST = 4
_RANDOM = 2
_HOLDERS = 4
_SAMPLED = 8


class Pool:
    """The endpoints of one model.

    Every method takes the moment, in seconds of a monotonic clock; nothing waits and nothing is
    read from outside. Whoever calls :meth:`begin` calls :meth:`end` once, whatever happens.

    Attributes:
        in_flight, batch_in_flight: requests under way, and those of them that are batch work.
        batch_reading: batch requests whose first token hasn't come.
        tolerated: how far beyond its objective the token interval may go (:func:`.tolerance`);
            whoever keeps the waiting room says so before :meth:`end`.

    Args:
        endpoints: as in the catalogue.
        settings: objectives and constants.
        draw: source of randomness.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        settings: DispatchSettings | None = None,
        draw: random.Random | None = None,
    ) -> None:
        self.settings = settings or DispatchSettings()
        self._random = (draw or random.Random()).random  # noqa: S311 (spreads load, keeps no secret)
        self._states: dict[str, EndpointState] = {}
        self._by_index: dict[int, EndpointState] = {}
        self._list: list[EndpointState] = []
        self._eligible: dict[tuple[int, frozenset[str] | None], list[EndpointState]] = {}
        self._clear_of = 0
        self._buckets = Buckets()
        self._stale: set[EndpointState] = set()
        self._prefixes = PrefixIndex(self.settings.affinity_pairs)
        self._typical = 500.0
        self.in_flight = 0
        self.batch_in_flight = 0
        self.batch_reading = 0
        self._small = True
        self._only: EndpointState | None = None
        self._batch_at = float("-inf")
        self.tolerated = 1.0
        self._wakes: list[tuple[float, int]] = []
        self._next_index = 0
        self._add(endpoints, 0.0, new=False)
        self._index_all(0.0)

    def __iter__(self) -> Iterator[EndpointState]:
        return iter(self._list)

    def __len__(self) -> int:
        return len(self._list)

    def __getitem__(self, endpoint_id: str) -> EndpointState:
        return self._states[endpoint_id]

    # Catalogue

    def update(self, endpoints: Iterable[Endpoint], now: float) -> None:
        """The catalogue changed: what was learned of the endpoints that stay is kept."""
        given = {endpoint.id: endpoint for endpoint in endpoints}
        for gone in self._states.keys() - given.keys():
            state = self._states.pop(gone)
            del self._by_index[state.index]
            # Its other pools keep the health that they shared.
            state.health = Health(self.settings)
            state.health.drained = True
        for state in self._states.values():
            endpoint = given.pop(state.id)
            if endpoint.capacity != state.endpoint.capacity:
                state.limit = self._limit(endpoint)
            state.cache_tokens = endpoint.cache_tokens or state.cache_tokens
            state.endpoint = endpoint
        self._add(given.values(), now, new=True)
        self._index_all(now)

    def _limit(self, endpoint: Endpoint) -> Limit:
        given = self.settings
        return Limit(
            given.capacity_start, given.capacity_floor, given.capacity_ceiling, endpoint.capacity
        )

    def _add(self, endpoints: Iterable[Endpoint], now: float, *, new: bool) -> None:
        for endpoint in endpoints:
            state = EndpointState(endpoint, self.settings, self._next_index)
            self._next_index += 1
            self._states[endpoint.id] = state
            self._by_index[state.index] = state
            state.look_again = self._follow
            if new:
                state.went_cold(now)
        self._list = list(self._states.values())
        self._small = len(self._list) <= _SMALL
        self._only = self._list[0] if len(self._list) == 1 else None
        self._eligible.clear()
        self._clear_of = min((state.endpoint.clearance for state in self._list), default=0)

    # Choice

    def has_room(self, now: float) -> bool:
        """Could any job be placed now; where not, asking for each that waits is useless."""
        if self._wakes and self._wakes[0][0] <= now:
            self._wake(now)
        if self._only is not None:
            return is_open(self._only, self.settings, now)
        if self._small:
            self._look(now)
            return any(state.bucket >= 0 for state in self._list)
        return not self._buckets.empty

    def choose(
        self, job: Job, now: float, exclude: frozenset[str] = frozenset()
    ) -> EndpointState | None:
        """The endpoint for a job; None when none has room for it now.

        Args:
            job: what is asked.
            now: the moment.
            exclude: ids of endpoints that it was tried on already.
        """
        if self._wakes and self._wakes[0][0] <= now:
            self._wake(now)
        settings = self.settings
        only = self._only
        if only is not None:
            # Nothing is to be compared.
            if not is_open(only, settings, now) or is_silent(only, now, settings):
                return None
        elif self._small:
            self._look(now)
        elif self._buckets.empty:
            return None
        batch = job.priority == "batch" and not self._is_batch_due(now)
        if batch and self.batch_reading >= max(1.0, settings.batch_prefill_share * len(self._list)):
            return None
        if only is not None:
            fits = (
                self._may_serve(only, job)
                and only.endpoint.id not in exclude
                and (not batch or self._takes_batch(only))
            )
            return only if fits else None
        best = self._cheapest(self._candidates(job), job, now, exclude, batch)
        # Batch work waits for the next chance instead: looking at all would be paid at each event.
        if best is None and not batch and not self._small:
            return self._any(job, now, exclude)
        return best

    def _takes_batch(self, state: EndpointState) -> bool:
        return is_open_for_batch(state, self.settings, self.in_flight > self.batch_in_flight)

    def _cheapest(
        self, candidates: list[EndpointState], job: Job, now: float, exclude: frozenset[str],
        batch: bool,
    ) -> EndpointState | None:  # fmt: skip
        """Of these endpoints, the one with the least cost."""
        settings = self.settings
        tokens, by_block = job.prompt_tokens, self._block_tokens(job)
        depth = self._prefixes.depth
        best: EndpointState | None = None
        lowest = float("inf")
        for state in candidates:
            if state.bucket < 0 or (exclude and state.id in exclude):
                continue
            if batch and not self._takes_batch(state):
                continue
            to_read = float(tokens)
            if by_block:
                matched = depth(job.prefix, state.index, state.oldest_in_cache())
                to_read -= matched * by_block
            seconds = cost(state, to_read, now, settings)
            if seconds < lowest and not is_silent(state, now, settings):
                best, lowest = state, seconds
        return best

    def _is_batch_due(self, now: float) -> bool:
        """Has batch work been kept out for so long that one request goes as people's do."""
        return not self.batch_reading and now - self._batch_at >= self.settings.batch_pace

    def _candidates(self, job: Job) -> list[EndpointState]:
        if job.clearance > self._clear_of or job.allowed is not None:
            eligible = self._eligible_for(job)
            if len(eligible) <= _SAMPLED:
                return eligible
            count, draw = len(eligible), self._random
            found = [eligible[int(draw() * count)] for _ in range(_SAMPLED)]
        elif self._small:
            return self._list
        else:
            draw, everyone = self._random, self._list
            found = self._buckets.lowest(_LOWEST, draw())
            count = len(everyone)
            for _ in range(_RANDOM):
                found.append(everyone[int(draw() * count)])
        if job.prefix:
            found += self._holders(job)
        return found

    def _holders(self, job: Job) -> list[EndpointState]:
        """Some endpoints that read the longest known part of the prompt."""
        by_index = self._by_index
        found = [
            by_index[index]
            for index in self._prefixes.holders(job.prefix, _HOLDERS)
            if index in by_index
        ]
        if job.clearance > self._clear_of or job.allowed is not None:
            found = [state for state in found if self._may_serve(state, job)]
        return found

    @staticmethod
    def _may_serve(state: EndpointState, job: Job) -> bool:
        return state.endpoint.clearance >= job.clearance and (
            job.allowed is None or state.id in job.allowed
        )

    def _eligible_for(self, job: Job) -> list[EndpointState]:
        key = (job.clearance, job.allowed)
        found = self._eligible.get(key)
        if found is None:
            if len(self._eligible) >= 256:
                self._eligible.clear()
            found = [state for state in self._list if self._may_serve(state, job)]
            self._eligible[key] = found
        return found

    def _any(self, job: Job, now: float, exclude: frozenset[str]) -> EndpointState | None:
        """The lowest of all the open endpoints, where no candidate was one."""
        found = [
            state
            for state in self._eligible_for(job)
            if state.bucket >= 0
            and state.id not in exclude
            and not is_silent(state, now, self.settings)
        ]
        return min(found, key=lambda state: state.bucket, default=None)

    def reachable(self, job: Job, exclude: frozenset[str] = frozenset()) -> bool:
        """Is there an endpoint that could serve the job, now or once it has room.

        Where there is none, waiting is useless: refuse at once.
        """
        return any(
            state.health.usable(False) and state.id not in exclude
            for state in self._eligible_for(job)
        )

    def _block_tokens(self, job: Job) -> float:
        """Tokens of one block of the job's prefix chain."""
        if not job.prefix:
            return 0.0
        return min(BLOCK_BYTES / self.settings.token_bytes, job.prompt_tokens / len(job.prefix))

    def _to_read(self, state: EndpointState, job: Job) -> int:
        by_block = self._block_tokens(job)
        if not by_block:
            return job.prompt_tokens
        matched = self._prefixes.depth(job.prefix, state.index, state.oldest_in_cache())
        return max(1, int(job.prompt_tokens - matched * by_block))

    # A request's life

    def begin(self, endpoint: EndpointState, job: Job, now: float) -> Running:
        """The job is sent to `endpoint`."""
        to_read = self._to_read(endpoint, job) if job.prefix else job.prompt_tokens
        self.in_flight += 1
        if job.priority == "batch":
            self.batch_in_flight += 1
            self.batch_reading += 1
            self._batch_at = now
        self._typical += 0.02 * (to_read - self._typical)
        running = endpoint.begin(job, to_read, now)
        if not running.streamed and running.due < endpoint.look_at:
            self._look_later(endpoint, running.due)
        if job.prefix:
            self._prefixes.record(job.prefix, endpoint.index, endpoint.odometer)
        if endpoint is not self._only or endpoint.elsewhere:
            self._changed(endpoint, now)
        return running

    def first_token(self, running: Running, now: float) -> None:
        """Its first token came."""
        state = running.state
        reading = state.batch_reading
        state.first_token(running, now)
        self.batch_reading += state.batch_reading - reading
        self._changed(state, now)

    @staticmethod
    def progress(running: Running, tokens: int) -> None:
        """`tokens` more were seen; needed only where the engine may not count them itself."""
        running.tokens += tokens

    def end(
        self,
        running: Running,
        outcome: Outcome,
        now: float,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
    ) -> None:
        """It ended. Tokens are the engine's counts, None where it gave none."""
        state = running.state
        beside, reading = state.load, state.batch_reading
        self.in_flight -= 1
        self.batch_in_flight -= running.batch
        itl = state.end(running, now, tokens_out, outcome == "completed")
        self.batch_reading += state.batch_reading - reading
        if outcome == "completed":
            if state.health.succeeded():
                for each in (state, *state.elsewhere):
                    each.went_cold(now)
            if itl is not None:
                ratio = itl / self.settings.itl_objective
                seconds = now - running.began
                state.limit.served(beside, ratio, now, seconds, self.tolerated)
        elif outcome != "cancelled":
            self._failed(state, now)
        if state is not self._only or state.elsewhere:
            self._changed(state, now)

    def _failed(self, state: EndpointState, now: float) -> None:
        others = [s for s in self._list if s is not state and s.health.state == "healthy"]
        peers = sum(s.health.ratio for s in others) / len(others) if others else 0.0
        enough = 2 * len(others) >= len(self._list)
        if state.health.failed(now, peers, bool(others) and enough):
            heapq.heappush(self._wakes, (state.health.until, state.index))

    # What is learned from outside

    def observe_metrics(self, endpoint_id: str, metrics: EngineMetrics, now: float) -> None:
        """A reading of an engine's metrics."""
        state = self._states[endpoint_id]
        state.observe_metrics(metrics, now)
        self._changed(state, now)

    def observe_remote(
        self, endpoint_id: str, in_flight: int, now: float, prefill_tokens: int = 0
    ) -> None:
        """What the other replicas of the gateway have at an endpoint, all together."""
        state = self._states[endpoint_id]
        state.observe_remote(in_flight, prefill_tokens, now)
        self._changed(state, now)

    def load(self) -> dict[str, tuple[int, int]]:
        """Our own requests and their tokens to read by endpoint, to tell the other replicas."""
        return {s.id: (s.in_flight, s.prefill_tokens) for s in self._list if s.in_flight}

    def probe(self, endpoint_id: str, ok: bool, now: float) -> None:
        """An active probe's answer."""
        state = self._states[endpoint_id]
        before = now - self.settings.stale_after
        changed = any([each.forget_others(before) for each in (state, *state.elsewhere)])
        if state.health.probed(ok, now):
            changed = True
            if state.health.state == "ejected":
                heapq.heappush(self._wakes, (state.health.until, state.index))
        if changed:
            self._changed(state, now)

    def drain(self, endpoint_id: str) -> None:
        """Send nothing more there; what runs there goes on."""
        state = self._states[endpoint_id]
        state.health.drained = True
        self._changed(state, 0.0)

    def resume(self, endpoint_id: str, now: float) -> None:
        """Take a drained endpoint back."""
        state = self._states[endpoint_id]
        state.health.drained = False
        self._changed(state, now)

    def _look_later(self, state: EndpointState, moment: float) -> None:
        state.look_at = moment
        heapq.heappush(self._wakes, (moment, state.index))

    def _wake(self, now: float) -> None:
        """Take note of what only the time has changed."""
        while self._wakes and self._wakes[0][0] <= now:
            moment, index = heapq.heappop(self._wakes)
            state = self._by_index.get(index)
            if state is None:
                continue
            if moment >= state.look_at:
                reading = state.batch_reading
                state.look_at = float("inf")
                next_due = state.assume_read(now)
                self.batch_reading += state.batch_reading - reading
                if next_due < float("inf"):
                    self._look_later(state, next_due)
            state.health.wake(now)
            self._changed(state, now)

    def _changed(self, state: EndpointState, now: float) -> None:
        self._look_again(state, now)
        for other in state.elsewhere:
            other.look_again(other, now)

    def _follow(self, state: EndpointState, now: float) -> None:
        """Something changed at an endpoint through another pool."""
        state.look_beside()
        if state.health.state == "ejected":
            heapq.heappush(self._wakes, (state.health.until, state.index))
        self._look_again(state, now)

    def _look_again(self, state: EndpointState, now: float) -> None:
        if self._small:
            # All of a small pool is looked at anyway: it is worked out when it is asked for.
            if self._only is None:
                self._stale.add(state)
        else:
            self._index(state, now)

    def _look(self, now: float) -> None:
        """Which endpoints of a small pool are open; a bucket says no more of them."""
        settings = self.settings
        for state in self._stale:
            refresh(state, settings)
            state.bucket = 0 if is_open(state, settings, now) else -1
        self._stale.clear()

    def _index_all(self, now: float) -> None:
        self._buckets = Buckets()
        for state in self._list:
            state.bucket = -1
        self._stale.clear()
        for state in self._list:
            self._changed(state, now)

    def _index(self, state: EndpointState, now: float) -> None:
        refresh(state, self.settings)
        if is_open(state, self.settings, now):
            self._buckets.place(state, bucket_of(standing_cost(state, self._typical)))
        else:
            self._buckets.place(state, -1)
