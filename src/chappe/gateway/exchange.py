"""One request from admission to its account: where it goes, what happens when that fails.

resolve → reserve quota → open the account → wait for an endpoint → send
        → before the first byte: try elsewhere, within a budget
        → after it: go on elsewhere from the text already sent, where the engine can
close: slot, connection, quota and account are given back, once, in every path, synchronously
"""

import logging
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import msgspec

from chappe.core.errors import ChappeError
from chappe.gateway.accounts import Account, Outcome
from chappe.gateway.catalogue import LEVELS, Endpoint, Model
from chappe.gateway.choices import Choice
from chappe.gateway.dispatch import prefix
from chappe.gateway.dispatch.job import Job, Priority
from chappe.gateway.dispatch.job import Outcome as EndpointOutcome
from chappe.gateway.dispatch.state import Running
from chappe.gateway.http.audio import AudioRequest
from chappe.gateway.http.reading import DONE, ChatReader, TypedReader, read_whole
from chappe.gateway.http.request import CONTINUING_ENGINES, KINDS, PATHS, Request
from chappe.gateway.http.upstream import (
    Response,
    Sink,
    UpstreamCutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from chappe.gateway.quotas import Reservation
from chappe.gateway.terms import Terms, new_span
from chappe.identity import Actor

if TYPE_CHECKING:
    from chappe.gateway.service import Gateway

log = logging.getLogger(__name__)

_ATTEMPTS = 3
# Answers of an endpoint after which another may do better.
_TRY_ELSEWHERE = frozenset((408, 429, 500, 502, 503, 504))
_TOKEN_BYTES = 4
_TYPICAL_ANSWER = 256


class Exchange:
    """A request and its answer. `start`, then `body`, or `piece` until it is empty; then `close`.

    Attributes:
        status: the HTTP status for the client.
        body: the answer, when it isn't streamed.
        retry_after: what the endpoint says of trying again.
        content_type: of the answer.
        streamed: does the answer come as server-sent events.
        account: what is known of it.
        model, endpoint: who answers, once `start` is done.
        replaced: the retired or deprecated model that was asked for, if so.
    """

    # What an exchange begins with; most of it never changes for most requests.
    model: Model
    _choice: Choice
    outcome: Outcome = "cancelled"
    error: str | None = None
    status = 200
    body = b""
    retry_after = b""
    content_type = b"application/json"
    streamed = False
    replaced: str | None = None
    endpoint: Endpoint | None = None
    account: Account | None = None
    span_id = ""
    _queue_seconds = 0.0
    _upstream_seconds = 0.0
    _sent_at = 0.0
    _heard_at = 0.0
    _running: Running | None = None
    _job: Job | None = None
    _response: Response | None = None
    _reader: ChatReader | TypedReader | None = None
    _reservation: Reservation | None = None
    _pending = b""
    _failure: UpstreamError | None = None
    _refused = False
    _tried: frozenset[str] = frozenset()
    _closed = False
    _finished = False
    _waits_for_token = True

    def __init__(
        self, gateway: "Gateway", actor: Actor, request: Request | AudioRequest, terms: Terms
    ) -> None:
        self._gateway = gateway
        self._actor = actor
        self.terms = terms
        self._level = max(actor.level, terms.level)
        self._began = time.perf_counter()
        self._priority: Priority = terms.priority or request.priority or "normal"
        self.request = request

    # From the request to the head of the answer

    async def start(self) -> None:
        """Admit the request, place it and get the head of its answer, trying elsewhere if need be.

        Raises:
            ChappeError: whatever keeps it from being answered.
        """
        request = self.request
        route = self._gateway.route(request.model, KINDS[request.operation], self._actor)
        self.replaced = route.replaced
        last: ChappeError | None = None
        for choice in route.choices:
            self._choice = choice
            self.model = choice.model
            try:
                if self._admit(choice) is None:
                    await self._admit_later(choice)
                await self._attempt_all(choice)
                return
            except ChappeError as error:
                self._release_quota()
                if error.code not in _NEXT_MODEL:
                    self._note_failure(error)
                    raise
                last = error
        assert last is not None
        self._note_failure(last)
        raise last

    def _note_failure(self, error: ChappeError) -> None:
        if self.account is None or error.code in _REFUSALS:
            self._gateway.metrics.refused(self.model.name, error.code)
        if error.code == "not_cleared":
            refusals = self._gateway.keys.refusals
            refusals.note(self._actor, "model.use", self.model.name, "not cleared for its level")
        self.error = self.error or error.code
        self.outcome = "timed_out" if error.code in _TIMED_OUT else "failed"
        self.status = error.status

    def _not_cleared(self, choice: Choice) -> ChappeError:
        model = choice.model.name
        if choice.clearance < 0:
            return ChappeError("engine_unavailable", 503, model=model)
        return ChappeError("not_cleared", 403, model=model, level=LEVELS[self._level])

    def _admit(self, choice: Choice) -> Account | None:
        """Within the rights and the limits: reserve the quota, and open the account.

        None when :meth:`_admit_later` has to ask for the quota, or to wait.
        """
        if choice.clearance < self._level:
            raise self._not_cleared(choice)
        gateway, model = self._gateway, choice.model
        work = gateway.bound(model, self.request)
        reservation = self._reservation = gateway.quotas.try_reserve(choice.cover, work)
        if reservation is None:
            return None
        account = self._open(model)
        return None if reservation.delay else account

    async def _admit_later(self, choice: Choice) -> None:
        gateway, model = self._gateway, choice.model
        reservation = self._reservation
        if reservation is None:
            reservation = self._reservation = await gateway.quotas.reserve(
                choice.cover,
                gateway.bound(model, self.request),
                gateway.counter(model, self.request),
            )
            self._open(model)
        if reservation.delay:
            paused_from = time.perf_counter()
            try:
                await gateway.pause(reservation.delay)
            finally:
                self._queue_seconds += time.perf_counter() - paused_from

    def _open(self, model: Model) -> Account:
        """Open the account, once, whichever model answers in the end."""
        account = self.account
        if account is None:
            account = self.account = self._gateway.open_account(
                self._actor, self.request, model, self.terms, self._priority
            )
        else:
            account.model = model.name
        return account

    def _make_job(self, model: Model) -> Job:
        request, terms = self.request, self.terms
        prompt = request.prompt
        expected = min(request.output_limit or _TYPICAL_ANSWER, model.max_output_tokens)
        wait = self._gateway.longest_wait if terms.wait_seconds is None else terms.wait_seconds
        return Job(
            self._actor.organisation,
            self._priority,
            1 + len(prompt) // _TOKEN_BYTES,
            expected if model.kind == "chat" else 1,
            # Where there is but one endpoint, it isn't to be found by what it has read.
            prefix.chain(prompt) if len(model.endpoints) > 1 else (),
            time.monotonic() + wait,
            None,
            self._level,
            bool(request.stream),
        )

    async def _attempt_all(self, choice: Choice) -> None:
        gateway, model = self._gateway, choice.model
        choice.budget.earn()
        job = self._job = self._make_job(model)
        attempts = 0
        while True:
            attempts += 1
            running = None if self._tried else gateway.dispatcher.try_place(model.name, job)
            if running is None:
                running = await self._wait(model, job)
            try:
                await self._attempt(choice, self._place(running))
                return
            except UpstreamError as error:
                self._end_attempt(_endpoint_outcome(error))
                again = attempts < _ATTEMPTS and gateway.dispatcher.reachable(
                    model.name, job, self._tried
                )
                if not (again and choice.budget.spend()):
                    if self._refused:
                        self.error, self.outcome = str(error), "failed"
                        return  # the last endpoint's own refusal is the answer
                    raise self._told(error) from None
                self._refused = False
                assert self.account is not None
                self.account.attempts += 1

    async def _wait(self, model: Model, job: Job) -> Running:
        """Until the job's turn has come."""
        waiting_from = time.perf_counter()
        try:
            return await self._gateway.dispatcher.place(
                model.name, job, self._actor.weight, self._tried
            )
        finally:
            self._queue_seconds += time.perf_counter() - waiting_from

    def _place(self, running: Running) -> Endpoint:
        """It has its place: from now on that is to be given back."""
        self._running = running
        self.endpoint = endpoint = self._gateway.endpoints[running.state.endpoint.id]
        self._tried = self._tried | {endpoint.id} if self._tried else frozenset((endpoint.id,))
        account = self.account
        assert account is not None
        account.endpoint, account.site = endpoint.name, endpoint.site
        return endpoint

    async def _attempt(self, choice: Choice, endpoint: Endpoint) -> None:
        """Send to the endpoint that was chosen, and read until something can be told."""
        model, account = choice.model, self.account
        assert account is not None
        # The longest answer that the reserved quota allows, where there is one.
        bound = model.max_output_tokens if choice.cover.counts_tokens else None
        body = self.request.upstream_body(model, endpoint.upstream_names[model.name], bound)
        response = await self._send(endpoint, body)
        self._response = response
        self._heard_at = time.perf_counter()
        status = self.status = response.status
        kind = self.content_type = response.headers.get(b"content-type", b"application/json")
        if status == 200 and kind.startswith(b"text/event-stream"):
            await self._open_stream(choice, response)
            return
        if response.unread:
            self.body = await response.read()
            self._heard_at = time.perf_counter()
        else:
            self.body = response.take()
        if status == 200:
            read_whole(self.body, kind, account, choice.most_tokens)
            self.outcome = "completed"
            self._end_attempt("completed")
            return
        self.retry_after = response.headers.get(b"retry-after", b"")
        if status in _TRY_ELSEWHERE:
            self._refused = True
            raise UpstreamError(f"status {status}")
        self.outcome = "refused" if status < 500 else "failed"
        self._end_attempt("completed" if status < 500 else "failed")

    def _send(self, endpoint: Endpoint, body: bytes) -> Awaitable[Response]:
        gateway = self._gateway
        if endpoint.base_url is None:
            raise UpstreamError("the engine isn't running")
        self._sent_at = self._heard_at = time.perf_counter()
        head = gateway.endpoint_head(endpoint, self.request.content_type)
        if self.terms.trace_id or gateway.tracing.active:
            head += self._trace_parent()
        return gateway.upstream.send(
            b"POST",
            endpoint.base_url + PATHS[self.request.operation],
            head,
            body,
            gateway.first_byte_timeout,
            gateway.inter_token_timeout,
        )

    def _trace_parent(self) -> bytes:
        """The `traceparent` line for the endpoint (W3C Trace Context)."""
        terms, account = self.terms, self.account
        assert account is not None
        self.span_id = self.span_id or new_span()
        account.trace_id = account.trace_id or account.id
        sampled = terms.sampled or self._gateway.tracing.active
        line = f"traceparent: 00-{account.trace_id}-{self.span_id}-{'01' if sampled else '00'}\r\n"
        return line.encode()

    async def _open_stream(self, choice: Choice, response: Response) -> None:
        """Wait for the first event: until then, nothing was told and all can be tried elsewhere."""
        assert self.account is not None
        most = choice.most_tokens
        if isinstance(self.request, Request) and self.request.operation == "chat.completions":
            self._reader = ChatReader(self.request, self.account, most)
        else:
            self._reader = TypedReader(self.account, most)
        while not self._pending and not self._reader.finished:
            data = await response.piece()
            if not data:
                raise UpstreamCutError("the stream ended before it began")
            self._pending = self._reader.feed(data)
        self._heard_at = time.perf_counter()
        self._note_first_token()
        self.streamed = True

    # The answer

    async def piece(self) -> bytes:
        """More of a streamed answer: whole events; empty at its end.

        Raises:
            ChappeError: `engine_cut` or `engine_timeout`, when it broke and can't be gone on
                with elsewhere.
        """
        if self._pending:
            pending, self._pending = self._pending, b""
            return pending
        reader = self._reader
        assert reader is not None
        while True:
            if reader.finished:
                await self._finish()
                return b""
            if self._failure is not None:
                failure, self._failure = self._failure, None
                if self._is_whole():
                    return self._close_stream()
                await self._recover(failure)
            try:
                assert self._response is not None
                data = await self._response.piece()
                self._heard_at = time.perf_counter()
                if data:
                    shown = reader.feed(data)
                elif self._is_whole():
                    return self._close_stream()
                else:
                    raise UpstreamCutError("the stream ended too early")
            except UpstreamError as error:
                self._failure = error
                shown = error.shown
            if self._waits_for_token:
                self._note_first_token()
            if shown:
                return shown

    async def relay(self, write: Sink) -> None:
        """Give the next pieces to `write`, each in the very turn in which it came.

        Comes back when `write` says that it is enough, or when something else than a piece has
        come: :meth:`piece` goes on from there.
        """
        response, reader = self._response, self._reader
        if response is None or reader is None or reader.finished:
            return
        if self._pending or self._failure is not None or self._waits_for_token:
            return
        feed = reader.feed

        def take(data: bytes) -> bool:
            self._heard_at = time.perf_counter()
            try:
                shown = feed(data)
            except UpstreamError as error:
                self._failure, shown = error, error.shown
            if shown and not write(shown):
                return False
            return not reader.finished and self._failure is None

        await response.flow(take)

    def _is_whole(self) -> bool:
        reader = self._reader
        if isinstance(reader, ChatReader):
            return reader.complete
        # Transcriptions and some engines' responses end with the connection.
        return self._failure is None and self.request.operation != "responses"

    def _close_stream(self) -> bytes:
        """The answer was whole, but the endpoint didn't say `[DONE]`: we do."""
        reader = self._reader
        assert reader is not None
        reader.finished = True
        return DONE if isinstance(reader, ChatReader) else b""

    async def _finish(self) -> None:
        if self._finished:
            return
        self._finished = True
        continued = self.account is not None and self.account.continued
        self.outcome = "continued" if continued else "completed"
        if self._response is not None and self._running is not None:
            # The end of the body usually came with the last event; then the connection is kept.
            await self._response.end()
        self._end_attempt("completed")

    def _note_first_token(self) -> None:
        account, running = self.account, self._running
        if running is not None and running.first_at is None and account and account.ttft_ms:
            self._waits_for_token = False
            self._gateway.dispatcher.first_token(self.model.name, running)

    # Going on elsewhere

    async def _recover(self, failure: UpstreamError) -> None:
        """Go on at another endpoint from the text already sent.

        Raises:
            ChappeError: it can't be done; says how the first one failed.
        """
        gateway, model, reader = self._gateway, self.model, self._reader
        self._end_attempt(_endpoint_outcome(failure))
        assert self.account is not None and self._job is not None
        allowed = frozenset(
            endpoint.id
            for endpoint in model.endpoints
            if endpoint.engine in CONTINUING_ENGINES and endpoint.id not in self._tried
        )
        possible = isinstance(reader, ChatReader) and reader.text is not None and allowed
        if not possible or not self._choice.budget.spend():
            self._note_failure(self._told(failure))
            raise self._told(failure) from None
        assert isinstance(reader, ChatReader) and reader.text is not None
        job = msgspec.structs.replace(
            self._job,
            prompt_tokens=self._job.prompt_tokens + reader.tokens,
            allowed=allowed,
            deadline=time.monotonic() + gateway.longest_wait,
        )
        try:
            text = reader.written()
            self._job = job
            endpoint = self._place(await self._wait(model, job))
            name = endpoint.upstream_names[model.name]
            request = self.request
            response = self._response = await self._send(
                endpoint,
                request.continuation_body(model, name, endpoint.engine, text, reader.tokens)
                if text
                else request.upstream_body(model, name),
            )
            self._heard_at = time.perf_counter()
            kind = response.headers.get(b"content-type", b"")
            if response.status != 200 or not kind.startswith(b"text/event-stream"):
                raise UpstreamError(f"status {response.status}")
        except (UpstreamError, ChappeError) as error:
            self._end_attempt("failed")
            log.warning("not_continued", extra={"model": model.name, "reason": str(error)})
            self._note_failure(self._told(failure))
            raise self._told(failure) from None
        self.account.attempts += 1
        self.account.continued = True
        self._waits_for_token = True
        reader.resume()

    def _told(self, error: UpstreamError) -> ChappeError:
        """What the client is told of a failure."""
        self.error = str(error)[:300]
        model = self.model.name
        if isinstance(error, UpstreamTimeoutError):
            seconds = f"{error.seconds:g}"
            return ChappeError("engine_timeout", 504, model=model, seconds=seconds)
        if isinstance(error, UpstreamCutError):
            return ChappeError("engine_cut", 502, model=model)
        return ChappeError("engine_unavailable", 503, model=model)

    # Giving back

    def _end_attempt(self, outcome: EndpointOutcome) -> None:
        """Give the slot and the connection back."""
        response, self._response = self._response, None
        if response is not None:
            response.release()
        running, self._running = self._running, None
        if running is None:
            return
        account = self.account
        assert account is not None
        self._upstream_seconds += self._heard_at - self._sent_at if self._sent_at else 0.0
        self._sent_at = 0.0
        exact = account.tokens_origin == "engine" and outcome == "completed"
        self._gateway.dispatcher.end(
            self.model.name,
            running,
            outcome,
            account.tokens_in if exact else None,
            account.tokens_out if exact else None,
            self._job,
        )

    def _release_quota(self) -> None:
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            self._gateway.quotas.release(reservation)

    def close(self) -> None:
        """Give everything back and settle the account; once, and without waiting."""
        if self._closed:
            return
        self._closed = True
        self._end_attempt("completed" if self.outcome == "completed" else "cancelled")
        account, gateway = self.account, self._gateway
        if account is None:
            return
        duration = time.perf_counter() - self._began
        account.queue_ms = self._queue_seconds * 1000
        account.duration_ms = duration * 1000
        account.overhead_ms = max(
            0.0, (duration - self._queue_seconds - self._upstream_seconds) * 1000
        )
        gateway.settle(self, account)
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            gateway.quotas.settle(reservation, gateway.used(account))

    def warning(self) -> str:
        """What the client is told when it asked for a model that goes away, in English."""
        asked = self._gateway.catalogue.get(self.replaced or "")
        state = asked.status if asked is not None else "retired"
        if self.model.name == self.replaced:
            after = f"; use {self.model.replacement}" if self.model.replacement else ""
            return f"the model {self.replaced} is {state}{after}"
        return f"the model {self.replaced} is {state}; {self.model.name} answered"

    @property
    def reservation(self) -> Reservation | None:
        """The quota reserved for it, for the headers that tell what is left."""
        return self._reservation


_NEXT_MODEL = frozenset(
    ("engine_unavailable", "engine_timeout", "engine_cut", "queue_full", "queue_timeout")
)
_REFUSALS = frozenset(("queue_full", "queue_timeout"))
_TIMED_OUT = frozenset(("engine_timeout", "queue_timeout"))


def _endpoint_outcome(error: UpstreamError) -> EndpointOutcome:
    return "timed_out" if isinstance(error, UpstreamTimeoutError) else "failed"
