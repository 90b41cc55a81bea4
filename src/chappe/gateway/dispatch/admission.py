"""The waiting room of one model: who is served next, who is refused.

Classes are strict: interactive before normal before batch; a ticket that waited `ageing_seconds`
rises by one class, so that none waits for ever. Inside a class, organisations share by their
weights in tokens of work, by start-time fair queueing (Goyal, Vin and Cheng 1996): each
organisation has a start tag, S = max(virtual time, finish tag of what it was last served), and
F = S + work / weight; the smallest start tag is served, and becomes the virtual time. Work is an
estimate when it is served, and corrected by :meth:`WaitingRoom.settle`.
"""

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from chappe.gateway.dispatch.job import PRIORITIES, Priority

P = TypeVar("P")

# Most tickets that one `pop` asks about: it must stay cheap where thousands of organisations wait.
_TRIES = 32


class Ticket(Generic[P]):
    """One request in a waiting room.

    Attributes:
        organisation, priority, work: whose, its class at arrival, tokens (estimated).
        deadline: moment after which nobody waits for it; None for never.
        arrived: moment it was pushed.
        payload: the caller's own.
    """

    __slots__ = (
        "arrived", "deadline", "level", "number", "organisation", "payload", "priority", "rose",
        "work",
    )  # fmt: skip

    def __init__(
        self,
        organisation: str,
        priority: Priority,
        work: int,
        payload: P,
        deadline: float | None = None,
    ) -> None:
        self.organisation = organisation
        self.priority = priority
        self.work = work
        self.payload = payload
        self.deadline = deadline
        self.arrived = 0.0
        self.level = PRIORITIES.index(priority)
        self.rose = 0.0
        self.number = -1


class RoomFullError(Exception):
    """No place left, and nothing in the room may be displaced.

    Attributes:
        length: tickets in the room.
        position: place that the ticket would have had (1 is next).
        work: tokens that would have been served before it.
    """

    def __init__(self, length: int, position: int, work: float) -> None:
        super().__init__(f"{length} requests wait already")
        self.length = length
        self.position = position
        self.work = work


class _Queue(Generic[P]):
    """The tickets of one organisation in one class, first come first."""

    __slots__ = ("organisation", "start", "tickets", "work")

    def __init__(self, organisation: str) -> None:
        self.organisation = organisation
        self.start = 0.0
        self.tickets: OrderedDict[int, Ticket[P]] = OrderedDict()
        self.work = 0


class _Class(Generic[P]):
    """One class: its organisations by start tag, and all its tickets by the moment they entered."""

    def __init__(self) -> None:
        self.virtual = 0.0
        self.finish: dict[str, float] = {}
        self.queues: dict[str, _Queue[P]] = {}
        self.heap: list[tuple[float, int, str]] = []
        self.entered: OrderedDict[int, Ticket[P]] = OrderedDict()
        self.work = 0

    def heads(self) -> Iterator[_Queue[P]]:
        """Organisations with tickets, by start tag; each is out of the heap once it is given."""
        while self.heap:
            start, _, organisation = heapq.heappop(self.heap)
            queue = self.queues.get(organisation)
            if queue is not None and queue.start == start:
                yield queue


class WaitingRoom(Generic[P]):
    """Tickets that wait for an endpoint of one model.

    Args:
        limit: most tickets at once.
        ageing_seconds: waiting time after which a ticket rises by one class.
        weights: shares of organisations; 1 for those that it doesn't name.
    """

    def __init__(
        self, limit: int, ageing_seconds: float, weights: Mapping[str, float] | None = None
    ) -> None:
        self.limit = limit
        self.ageing_seconds = ageing_seconds
        self.weights: dict[str, float] = dict(weights or {})
        self._classes: tuple[_Class[P], ...] = tuple(_Class() for _ in PRIORITIES)
        self._numbers = itertools.count()
        self._deadlines: list[tuple[float, int, Ticket[P]]] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __contains__(self, ticket: Ticket[P]) -> bool:
        return ticket.number in self._classes[ticket.level].entered

    def __iter__(self) -> Iterator[Ticket[P]]:
        return itertools.chain.from_iterable(c.entered.values() for c in self._classes)

    def waited(self, now: float) -> float:
        """How long people have waited, in seconds: the first in each of their classes. Batch work
        doesn't count, also where it has risen into one of them."""
        firsts = [next(iter(room.entered.values())) for room in self._classes[:2] if room.entered]
        return max([now - t.arrived for t in firsts if t.priority != "batch"], default=0.0)

    def push(self, ticket: Ticket[P], now: float) -> Ticket[P] | None:
        """Let a ticket in; gives the ticket that had to leave for it, which the caller refuses.

        Raises:
            RoomFullError: the ticket itself is refused.
        """
        displaced: Ticket[P] | None = None
        if self._length >= self.limit:
            displaced = self._displaceable(ticket)
            if displaced is None:
                position, work = self._before(ticket)
                raise RoomFullError(self._length, position, work)
            self.remove(displaced)
        ticket.arrived = ticket.rose = now
        ticket.number = next(self._numbers)
        ticket.level = PRIORITIES.index(ticket.priority)
        self._enter(ticket)
        if ticket.deadline is not None:
            heapq.heappush(self._deadlines, (ticket.deadline, ticket.number, ticket))
        return displaced

    def pop(self, now: float, fits: Callable[[Ticket[P]], bool] | None = None) -> Ticket[P] | None:
        """The next ticket, taken out; None when there is none.

        Args:
            now: the moment.
            fits: can this ticket be served now. Where the first ticket of an organisation doesn't
                fit, the next organisation is asked, and then the next class, 32 times at most.
        """
        self._age(now)
        tries = _TRIES
        for room in self._classes:
            if not room.entered:
                continue
            passed: list[_Queue[P]] = []
            found: Ticket[P] | None = None
            for queue in room.heads():
                ticket = next(iter(queue.tickets.values()))
                if fits is None or fits(ticket):
                    found = ticket
                    self._serve(room, queue, ticket)
                    break
                passed.append(queue)
                tries -= 1
                if not tries:
                    break
            for queue in passed:
                self._offer(room, queue)
            if found is not None or not tries:
                return found
        return None

    def remove(self, ticket: Ticket[P]) -> bool:
        """Take a ticket out wherever it stands, O(1); False when it isn't there any more."""
        room = self._classes[ticket.level]
        if room.entered.pop(ticket.number, None) is None:
            return False
        queue = room.queues[ticket.organisation]
        del queue.tickets[ticket.number]
        queue.work -= ticket.work
        room.work -= ticket.work
        self._length -= 1
        if not queue.tickets:
            # Its entry in the heap is passed over when it comes up.
            del room.queues[ticket.organisation]
            if not room.queues:
                # The busy period is over: whoever comes next starts level.
                room.virtual = max(room.finish.values(), default=room.virtual)
                room.finish.clear()
        if len(self._deadlines) > 64 + 2 * self._length:
            self._deadlines = [entry for entry in self._deadlines if entry[2] in self]
            heapq.heapify(self._deadlines)
        if len(room.heap) > 64 + 2 * len(room.queues):
            room.heap.clear()
            for waiting in room.queues.values():
                self._offer(room, waiting)
        return True

    def expire(self, now: float) -> list[Ticket[P]]:
        """The tickets whose deadline is past, taken out."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            ticket = heapq.heappop(self._deadlines)[2]
            if self.remove(ticket):
                late.append(ticket)
        return late

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has something to do; it may be early, never late."""
        return self._deadlines[0][0] if self._deadlines else None

    def settle(self, priority: Priority, organisation: str, estimated: int, actual: int) -> None:
        """Correct what a served ticket cost its organisation, once it is known."""
        room = self._classes[PRIORITIES.index(priority)]
        change = (actual - estimated) / self.weight(organisation)
        queue = room.queues.get(organisation)
        if queue is None:
            room.finish[organisation] = room.finish.get(organisation, room.virtual) + change
        else:
            queue.start += change
            self._offer(room, queue)

    def position(self, ticket: Ticket[P]) -> int:
        """About which place a waiting ticket has (1 is next), if nothing else comes."""
        return self._before(ticket)[0]

    def estimate(self, ticket: Ticket[P], rate: float) -> float:
        """About how many seconds it still waits, at `rate` tokens of work a second."""
        return self._before(ticket)[1] / rate

    def weight(self, organisation: str) -> float:
        """The share of an organisation."""
        return self.weights.get(organisation, 1.0)

    def _enter(self, ticket: Ticket[P]) -> None:
        room = self._classes[ticket.level]
        queue = room.queues.get(ticket.organisation)
        if queue is None:
            queue = room.queues[ticket.organisation] = _Queue(ticket.organisation)
            queue.start = max(room.virtual, room.finish.get(ticket.organisation, 0.0))
            self._offer(room, queue)
        queue.tickets[ticket.number] = ticket
        queue.work += ticket.work
        room.entered[ticket.number] = ticket
        room.work += ticket.work
        self._length += 1

    def _offer(self, room: _Class[P], queue: _Queue[P]) -> None:
        heapq.heappush(room.heap, (queue.start, next(self._numbers), queue.organisation))

    def _serve(self, room: _Class[P], queue: _Queue[P], ticket: Ticket[P]) -> None:
        room.virtual = max(room.virtual, queue.start)
        queue.start += ticket.work / self.weight(queue.organisation)
        room.finish[queue.organisation] = queue.start
        if len(room.finish) > 1024 + 2 * len(room.queues):
            room.finish = {o: f for o, f in room.finish.items() if f > room.virtual}
        self.remove(ticket)
        if queue.tickets:
            self._offer(room, queue)

    def _age(self, now: float) -> None:
        for level in (1, 2):
            room = self._classes[level]
            while room.entered:
                ticket = next(iter(room.entered.values()))
                if now - ticket.rose < self.ageing_seconds:
                    break
                self.remove(ticket)
                ticket.level -= 1
                ticket.rose = now
                self._enter(ticket)

    def _displaceable(self, ticket: Ticket[P]) -> Ticket[P] | None:
        """Who leaves for `ticket`: the newest of the lowest class below its own; else, in its own
        class, the newest of the organisation that holds most for its weight, if that is more than
        the ticket's own organisation would hold (longest queue drop, Suter et al. 1999)."""
        for level in range(len(PRIORITIES) - 1, ticket.level, -1):
            if self._classes[level].entered:
                return next(reversed(self._classes[level].entered.values()))
        room = self._classes[ticket.level]
        if not room.queues:
            return None
        longest = max(room.queues.values(), key=lambda q: q.work / self.weight(q.organisation))
        own = room.queues.get(ticket.organisation)
        held = (own.work if own else 0) + ticket.work
        if held / self.weight(ticket.organisation) >= longest.work / self.weight(
            longest.organisation
        ):
            return None
        return next(reversed(longest.tickets.values()))

    def _before(self, ticket: Ticket[P]) -> tuple[int, float]:
        """Place (1 is next) and tokens of work before a ticket, waiting or about to."""
        count, work = 1, 0.0
        for room in self._classes[: ticket.level]:
            count += len(room.entered)
            work += room.work
        room = self._classes[ticket.level]
        own = room.queues.get(ticket.organisation)
        start, ahead = max(room.virtual, room.finish.get(ticket.organisation, 0.0)), 0
        if own is not None:
            start = own.start
            for other in own.tickets.values():
                if other is ticket:
                    break
                count += 1
                ahead += other.work
        tag = start + ahead / self.weight(ticket.organisation)
        work += ahead
        for queue in room.queues.values():
            if queue is own or not queue.work:
                continue
            share = max(0.0, tag - queue.start) * self.weight(queue.organisation)
            share = min(float(queue.work), share)
            work += share
            count += round(len(queue.tickets) * share / queue.work)
        return count, work
