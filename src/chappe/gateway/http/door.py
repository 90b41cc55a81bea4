"""Answers calls for inference. Who may call: a key with the right `models`, always."""

import asyncio
import logging
import uuid
from functools import lru_cache
from urllib.parse import quote

import msgspec

from chappe.core.errors import ChappeError
from chappe.core.i18n import choose_language
from chappe.gateway.exchange import Exchange
from chappe.gateway.http.audio import AudioRequest
from chappe.gateway.http.envelope import envelope, refusal, retry_after
from chappe.gateway.http.protocol import Call, ClientGoneError
from chappe.gateway.http.request import Request, read_request
from chappe.gateway.service import Gateway
from chappe.gateway.terms import read_terms
from chappe.identity import Actor

log = logging.getLogger(__name__)

# What a header may hold as it is: printable ASCII but for the sign of the encoding.
_PLAIN = "".join(map(chr, range(32, 127))).replace("%", "")

_JSON = b"content-type: application/json\r\n"
_EVENTS = (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"
)


class Door:
    """The way in for requests to models.

    Args:
        gateway: who forwards.
        body_limit: largest body, in bytes.
        hosts: host names that may be used; None for any.
    """

    def __init__(self, gateway: Gateway, body_limit: int, hosts: frozenset[bytes] | None) -> None:
        self._gateway = gateway
        self._body_limit = body_limit
        self._hosts = hosts

    async def answer(self, call: Call) -> None:
        """Answer one call; cancelled when its client leaves."""
        exchange: Exchange | None = None
        status = 499
        try:
            headers = call.headers
            self._check_host(headers.get(b"host", b""))
            keys, authorization = self._gateway.keys, headers.get(b"authorization", b"")
            actor = keys.get(authorization) or await keys.fetch(authorization)
            body = call.body
            augment = self._gateway.augment
            if augment and call.operation == "responses" and b"file_search" in body:
                keys.require(actor, "models")
                actor, body = await augment(actor, body)
            exchange = self._open(call, actor, body)
            await exchange.start()
            status = exchange.status
            lines = self._lines(exchange)
            if exchange.streamed:
                await self._stream(call, exchange, lines)
            else:
                self._whole(call, exchange, lines)
        except ChappeError as error:
            status = error.status
            self._refuse(call, exchange, error)
        except (asyncio.CancelledError, ClientGoneError):
            pass
        except Exception as error:
            log.error("unexpected", exc_info=error)
            status = 500
            request_id = self._request_id(exchange)
            self._refuse(call, exchange, ChappeError("internal", 500, request_id=request_id))
        finally:
            try:
                if exchange is not None:
                    exchange.close()
                self._gateway.metrics.answered(call.operation, status)
            finally:
                call.ended()

    def _check_host(self, host: bytes) -> None:
        if self._hosts is not None and not _known(host, self._hosts):
            raise ChappeError("unknown_host", 421)

    def _open(self, call: Call, actor: Actor, body: bytes) -> Exchange:
        gateway = self._gateway
        if "models" not in actor.scopes:
            gateway.keys.require(actor, "models")
        if call.too_large:
            raise ChappeError("body_too_large", 413, limit=self._body_limit)
        headers = call.headers
        terms = read_terms(headers)
        request: Request | AudioRequest
        if call.operation == "audio.transcriptions":
            request = AudioRequest(headers.get(b"content-type", b""), call.body)
        else:
            request = read_request(call.operation, body)
        return Exchange(gateway, actor, request, terms)

    async def _stream(self, call: Call, exchange: Exchange, headers: bytes) -> None:
        call.start(200, _EVENTS + headers, await exchange.piece())

        def write(piece: bytes) -> bool:
            call.write(piece)
            return not call.congested

        while True:
            await exchange.relay(write)
            if call.congested:
                await call.drained()
            piece = await exchange.piece()
            if not piece:
                break
            call.write(piece)
        call.finish()

    def _whole(self, call: Call, exchange: Exchange, headers: bytes) -> None:
        body = exchange.body
        if exchange.status == 200:
            call.send(200, b"content-type: %b\r\n%b" % (exchange.content_type, headers), body)
            return
        if exchange.retry_after:
            headers += b"retry-after: %b\r\n" % exchange.retry_after
        answer = msgspec.json.encode(refusal(exchange.status, body))
        call.send(exchange.status, _JSON + headers, answer)

    def _refuse(self, call: Call, exchange: Exchange | None, error: ChappeError) -> None:
        language = call.headers.get(b"accept-language")
        body = msgspec.json.encode(
            envelope(error, choose_language(language.decode("latin-1")) if language else "en")
        )
        if call.started:
            # The status has gone: the client's library reads the error from the stream.
            call.write(b"data: " + body + b"\n\n")
            call.finish()
            return
        headers = b"x-request-id: %b\r\n" % self._request_id(exchange).encode()
        if error.status == 401:
            headers += b"www-authenticate: Bearer\r\n"
        call.send(error.status, _JSON + headers + retry_after(error), body)

    @staticmethod
    def _request_id(exchange: Exchange | None) -> str:
        account = exchange.account if exchange is not None else None
        return account.id if account is not None else uuid.uuid4().hex

    def _lines(self, exchange: Exchange) -> bytes:
        """What is told beside the answer: identifier, what is left, where it ran, warnings."""
        account = exchange.account
        assert account is not None
        lines = b"x-request-id: %b\r\n" % account.id.encode()
        reservation = exchange.reservation
        if reservation is not None:
            lines += self._gateway.quotas.header_lines(reservation)
        if self._gateway.tell_endpoint and exchange.endpoint is not None:
            lines += b"x-chappe-endpoint: %b\r\n" % _header(exchange.endpoint.name)
        if exchange.model.name != exchange.request.model:
            lines += b"x-chappe-model: %b\r\n" % _header(exchange.model.name)
        if exchange.replaced is not None:
            text = f'299 chappe "{exchange.warning()}"'
            lines += b"warning: %b\r\n" % _header(text)
        return lines


def _header(value: str) -> bytes:
    """A header value: what isn't plain ASCII is percent-encoded (RFC 3986), in UTF-8."""
    return quote(value, safe=_PLAIN).encode()


@lru_cache(maxsize=1024)
def _known(host: bytes, hosts: frozenset[bytes]) -> bool:
    name = host if host.endswith(b"]") else host.rsplit(b":", 1)[0]
    return name.strip(b"[]").lower() in hosts
