"""HTTP of the assistant. Who may call: a key with `ask` and `search`, or the page on loopback."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from chappe.assistant.schemas import AskRequest
from chappe.core import telemetry
from chappe.core.streaming import EventStream, Receive, Scope, Send, until_disconnect
from chappe.identity.http import CurrentActor, Language
from chappe.knowledge.provenance import titles

router = APIRouter(prefix="/api", tags=["assistant"])


class _EventResponse(Response):
    """Lets FastAPI hand the connection over to an :class:`EventStream`."""

    media_type = "text/event-stream"

    def __init__(self, stream: EventStream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)


class _WholeResponse(Response):
    """An answer in one piece; the generation stops when the client leaves."""

    media_type = "application/json"

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def work() -> None:
            await JSONResponse(await self._answer)(scope, receive, send)

        await until_disconnect(receive, work())


@router.post(
    "/ask",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/event-stream": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            }
        }
    },
)
async def ask(request: Request, actor: CurrentActor, language: Language, body: AskRequest) -> Any:
    """Answer a question from the sources; see docs/reference/api.md for the events."""
    state = request.app.state
    cited = [document for turn in body.turns for document in turn.documents]
    question = body.read(await titles(state.database, actor, cited) if cited else {})
    retrieved = await state.assistant.retrieve(actor, question)
    streamed = body.stream
    if streamed is None:
        streamed = "application/json" not in request.headers.get("accept", "")
    request_id = telemetry.request_id.get()
    if streamed:
        return _EventResponse(
            EventStream(state.assistant.answer(actor, retrieved, language, request_id))
        )
    return _WholeResponse(state.assistant.whole(actor, retrieved, language, request_id))
