"""Runs requests through gateways and servers, event by event."""

import heapq
import itertools
import random
from collections.abc import Sequence
from typing import Any

from rules import OTHERS, Aristote, Chappe, LlmD, Rule
from servers import Request, Server
from workloads import Workload

from chappe.gateway.dispatch import DispatchSettings
from chappe.gateway.dispatch.state import share

PROBE_EVERY = 2.0
REFUSED_AFTER = 0.002


class Simulation:
    """One run of a workload under one rule.

    Args:
        workload: the situation.
        rule: a name of :data:`rules.OTHERS`, or ours.
        requests: by time; what becomes of them is written into them.
        draw: for the rules' ties.
        weights: shares of organisations, for ours.
        server: the model of a server.
    """

    def __init__(
        self,
        workload: Workload,
        rule: str,
        requests: Sequence[Request],
        draw: random.Random,
        weights: dict[str, float] | None = None,
        server: type[Server] = Server,
    ) -> None:
        self._workload = workload
        self.servers = [server(kind) for kind in workload.kinds]
        count = len(self.servers)
        settings = DispatchSettings(ttft_objective=workload.ttft, itl_objective=workload.itl)
        self.rules: list[Rule] = [
            OTHERS[rule](count, draw)
            if rule in OTHERS
            else Chappe(count, draw, settings, weights or {})
            for _ in range(workload.replicas)
        ]
        if workload.models and rule in OTHERS:
            # One router counts by server, whatever the model.
            self.rules = self.rules[:1] * workload.replicas
        elif workload.models:
            for name in map(str, range(count)):
                share([each.pool[name] for each in self.rules if isinstance(each, Chappe)], 0.0)
        self._served_at = [0.0] * workload.replicas
        self._queued = [0] * count
        self._kv = [0.0] * count
        for each in self.rules:
            if isinstance(each, LlmD):
                each.queued, each.kv = self._queued, self._kv
        self._left = len(requests)
        self._order = itertools.count()
        self._events: list[tuple[float, int, str, Any]] = []
        self._handles: dict[int, tuple[int, int, Any]] = {}
        self._tried: dict[int, set[int]] = {}
        for request in requests:
            self._at(request.at, "arrive", request)
        # Readings are spread over the interval, as in a real gateway.
        for server in range(count):
            self._at(workload.every * server / count, "metrics", server)
            self._at(PROBE_EVERY * server / count, "probe", server)
        if workload.replicas > 1 and not workload.models:
            for replica in range(workload.replicas):
                self._at(workload.every * replica / workload.replicas, "remote", replica)
        for fault in workload.faults:
            self._at(fault.at, "fault", fault)
            self._at(fault.until, "mend", fault)
        self._published: list[dict[int, tuple[int, int]]] = [{} for _ in range(workload.replicas)]

    def _at(self, time: float, kind: str, what: Any) -> None:
        heapq.heappush(self._events, (time, next(self._order), kind, what))

    def run(self, until: float) -> None:
        """Play the events up to `until`, or to the end of the last request."""
        while self._left and self._events[0][0] <= until:
            now, _, kind, what = heapq.heappop(self._events)
            if kind == "server":
                server, version = what
                if self.servers[server].version == version:
                    self._served(server, now)
            elif kind == "arrive":
                self.rules[what.replica].push(what, now)
                self._dispatch(what.replica, now)
            else:
                getattr(self, f"_{kind}")(what, now)

    def _dispatch(self, replica: int, now: float) -> None:
        rule = self.rules[replica]
        while (found := rule.pop(now)) is not None:
            self._served_at[replica] = now
            request, server, handle = found
            self._handles[id(request)] = (replica, server, handle)
            if self.servers[server].up:
                self.servers[server].send(request, now)
                self._plan(server)
            else:
                self._at(now + REFUSED_AFTER, "refused", request)

    def _plan(self, server: int) -> None:
        self._queued[server] = self.servers[server].queued
        self._kv[server] = self.servers[server].kv_usage
        time = self.servers[server].next_event()
        if time is not None:
            self._at(time, "server", (server, self.servers[server].version))

    def _served(self, server: int, now: float) -> None:
        firsts, ends = self.servers[server].run(now)
        self._plan(server)
        replicas = set()
        for request in firsts:
            replica, _, handle = self._handles[id(request)]
            self.rules[replica].first(handle, now)
            replicas.add(replica)
            for rule in self.rules:
                if isinstance(rule, Aristote):
                    rule.first_token_at(server, now - request.sent, now)
        for request in ends:
            replica, _, handle = self._handles.pop(id(request))
            self.rules[replica].ended(handle, True, now, request.output)
            self._left -= 1
            replicas.add(replica)
        for replica in self._in_order() if self._workload.models else replicas:
            self._dispatch(replica, now)

    def _in_order(self) -> list[int]:
        """The models, the one that was served longest ago first: so does the dispatcher."""
        return sorted(range(len(self.rules)), key=self._served_at.__getitem__)

    def _refused(self, request: Request, now: float) -> None:
        """Its server is dead or has just died: tried elsewhere unless tokens were sent already."""
        replica, server, handle = self._handles.pop(id(request))
        rule = self.rules[replica]
        rule.ended(handle, False, now, 0)
        if request.first is not None:
            request.failed = True
            self._left -= 1
        else:
            tried = self._tried.setdefault(id(request), set())
            tried.add(server)
            if len(tried) >= len(self.servers):
                tried.clear()
            rule.retry(request, set(tried), now)
        self._dispatch(replica, now)

    def _metrics(self, server: int, now: float) -> None:
        if self.servers[server].up:
            for replica, rule in enumerate(self.rules):
                rule.metrics(server, self.servers[server], now)
                self._dispatch(replica, now)
        self._at(now + self._workload.every, "metrics", server)

    def _probe(self, server: int, now: float) -> None:
        for replica, rule in enumerate(self.rules):
            rule.probe(server, self.servers[server].up, now)
            self._dispatch(replica, now)
        self._at(now + PROBE_EVERY, "probe", server)

    def _remote(self, replica: int, now: float) -> None:
        """One gateway publishes its load; the others read the sum of what is published."""
        fresh = {server: rest for server, *rest in self.rules[replica].load()}
        before, self._published[replica] = self._published[replica], fresh  # type: ignore[assignment]
        for other, rule in enumerate(self.rules):
            if other == replica:
                continue
            for server in before.keys() | fresh.keys():
                seen = [
                    values[server]
                    for number, values in enumerate(self._published)
                    if number != other and server in values
                ]
                rule.remote(server, sum(v[0] for v in seen), sum(v[1] for v in seen), now)
            self._dispatch(other, now)
        self._at(now + self._workload.every, "remote", replica)

    def _fault(self, fault: Any, now: float) -> None:
        server = self.servers[fault.server]
        if fault.factor:
            server.slow(fault.factor, now)
            self._plan(fault.server)
            return
        server.up = False
        for request in server.cancel_all(now):
            self._refused(request, now)

    def _mend(self, fault: Any, now: float) -> None:
        server = self.servers[fault.server]
        server.up = True
        server.slow(1.0, now)
        self._plan(fault.server)
