"""HTTP of the assistant. Who may call: a key with `ask` and `search`, or the page on loopback."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from chappe.assistant.schemas import AskRequest
from chappe.core import telemetry
from chappe.core.streaming import EventStream, Receive, Scope, Send
from chappe.identity.http import CurrentActor, Language

router = APIRouter(prefix="/api", tags=["assistant"])


class _EventResponse(Response):
    """Lets FastAPI hand the connection over to an :class:`EventStream`."""

    media_type = "text/event-stream"

    def __init__(self, stream: EventStream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)


@router.post(
    "/ask",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def ask(request: Request, actor: CurrentActor, language: Language, body: AskRequest) -> Any:
    """Answer a question from the sources; see docs/reference/api.md for the events."""
    assistant = request.app.state.assistant
    retrieved = await assistant.retrieve(actor, body.question, body.collections, body.model)
    events = assistant.answer(
        actor, retrieved, body.language or language, telemetry.request_id.get()
    )
    return _EventResponse(EventStream(events))
