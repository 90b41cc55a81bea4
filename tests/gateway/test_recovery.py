"""What happens when a server misbehaves: tried elsewhere, gone on with elsewhere, or told."""

import asyncio
import json
from typing import Any

import openai
import pytest

from gateway_tower import WORDS, Server, Tower

MESSAGES: Any = [{"role": "user", "content": "x"}]
TEXT = "".join(f"mot{i} " for i in range(WORDS))


async def ask(gate: Tower, stream: bool = True, **options: Any) -> str:
    answer = await gate.client().chat.completions.create(
        model="m", messages=MESSAGES, stream=stream, **options
    )
    if not stream:
        return str(answer.choices[0].message.content)
    pieces = []
    async for chunk in answer:
        pieces += [choice.delta.content or "" for choice in chunk.choices]
    return "".join(pieces)


async def _first_then_second(gate: Tower, first: Server) -> Server:
    """Two servers, of which the next request goes to the first."""
    second = Server()
    await gate.add_model(first, second)
    gate.gateway.dispatcher._queues["m"].pool.drain(gate.gateway.catalogue.get("m").endpoints[1].id)

    async def let_in() -> None:
        await first.began.wait()
        endpoint = gate.gateway.catalogue.get("m").endpoints[1]
        queue = gate.gateway.dispatcher._queues["m"]
        queue.pool.resume(endpoint.id, asyncio.get_running_loop().time())

    gate.let_in = asyncio.create_task(let_in())  # type: ignore[attr-defined]
    return second


@pytest.mark.parametrize("fault", ["refuse", "busy", "late", "nohttp"])
@pytest.mark.parametrize("stream", [True, False])
async def test_before_the_first_byte_it_is_tried_elsewhere(
    gate: Tower, fault: str, stream: bool
) -> None:
    second = await _first_then_second(gate, Server(fault))
    assert await ask(gate, stream) == TEXT
    assert len(second.requests) == 1
    (row,) = await gate.accounts(1)
    assert row[:5] == ("completed", 5, WORDS, "engine", 2)
    assert gate.nothing_held()


@pytest.mark.parametrize("fault", ["cut", "hang", "garbled", "told", "early"])
async def test_after_it_another_goes_on_and_the_client_sees_one_answer(
    gate: Tower, fault: str
) -> None:
    first = Server(fault, upstream_id="first")
    second = await _first_then_second(gate, first)
    chunks = []
    stream = await gate.client().chat.completions.create(
        model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        chunks.append(chunk)
    text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert text == TEXT
    assert {chunk.id for chunk in chunks} == {"first"}
    assert [c.delta.role for chunk in chunks for c in chunk.choices].count("assistant") == 1
    usage = chunks[-1].usage
    assert usage is not None and (usage.prompt_tokens, usage.completion_tokens) == (5, WORDS)
    assert second.requests[0]["messages"][-1] == {
        "role": "assistant",
        "content": "mot0 mot1 mot2 mot3 ",
    }
    (row,) = await gate.accounts(1)
    assert row[:5] == ("continued", 5, WORDS, "engine", 2)
    assert gate.nothing_held()


async def test_what_cannot_be_continued_ends_with_a_proper_error(gate: Tower) -> None:
    await gate.add_model(Server("cut"), Server("cut"), engine="openai")
    with pytest.raises(openai.APIError) as caught:
        await ask(gate)
    assert "cut" in str(caught.value)
    (row,) = await gate.accounts(1)
    assert row[0] == "failed" and row[2:4] == (4, "counted")
    assert gate.nothing_held()


async def test_an_answer_with_log_probabilities_is_not_sewn_together(gate: Tower) -> None:
    second = await _first_then_second(gate, Server("cut"))
    with pytest.raises(openai.APIError):
        await ask(gate, logprobs=True)
    assert not second.requests


async def test_a_whole_answer_that_is_cut_is_asked_for_again(gate: Tower) -> None:
    await _first_then_second(gate, Server("cut"))
    assert await ask(gate, stream=False) == TEXT


async def test_a_stream_without_done_that_told_its_end_is_complete(gate: Tower) -> None:
    await gate.add_model(Server("undone"))
    assert await ask(gate) == TEXT
    (row,) = await gate.accounts(1)
    assert row[0] == "completed" and row[2] == WORDS


async def test_usage_that_cannot_be_true_is_not_believed(gate: Tower) -> None:
    await gate.add_model(Server("lies"))
    assert await ask(gate) == TEXT
    (row,) = await gate.accounts(1)
    assert row[:4] == ("completed", None, WORDS, "counted")


async def test_events_come_whole_however_they_are_cut(gate: Tower) -> None:
    await gate.add_model(Server("dribble"))
    assert await ask(gate) == TEXT


async def test_a_huge_event_passes(gate: Tower) -> None:
    await gate.add_model(Server("huge"))
    assert len(await ask(gate)) > 2_000_000


async def test_the_last_refusal_is_told_when_nobody_else_can(gate: Tower) -> None:
    await gate.add_model(Server("refuse"))
    with pytest.raises(openai.InternalServerError) as caught:
        await ask(gate)
    assert caught.value.status_code == 500 and "out of memory" in str(caught.value)
    (row,) = await gate.accounts(1)
    assert row[0] == "failed" and row[6] == 500


async def test_an_outage_is_not_made_worse_by_trying_again(gate: Tower) -> None:
    servers = [Server("busy") for _ in range(4)]
    await gate.add_model(*servers, endpoint={"capacity": 500})
    gate.gateway.choices.budget("m")._tokens = 0.0
    for _ in range(5):
        with pytest.raises(openai.InternalServerError):
            await ask(gate)
    assert sum(len(server.requests) for server in servers) <= 6


async def test_a_fallback_model_answers_where_the_first_cannot(gate: Tower) -> None:
    await gate.add_model(Server(), name="second")
    await gate.add_model(Server("refuse"), fallbacks=["second"])
    gate.gateway.choices.budget("m")._tokens = 0.0
    gate.gateway.dispatcher._queues["m"].pool.drain(gate.gateway.catalogue.get("m").endpoints[0].id)
    raw = await gate.client().chat.completions.with_raw_response.create(
        model="m", messages=MESSAGES
    )
    assert raw.headers["x-chappe-model"] == "second"


async def test_a_retired_model_is_answered_by_its_replacement_with_a_warning(gate: Tower) -> None:
    await gate.add_model(Server(), name="new", aliases=["newest"])
    await gate.add_model(name="old", status="retired", replacement="new")
    raw = await gate.client().chat.completions.with_raw_response.create(
        model="old", messages=MESSAGES
    )
    assert raw.headers["x-chappe-model"] == "new"
    assert "retired" in raw.headers["warning"]
    names = [model.id async for model in gate.client().models.list()]
    assert names == ["new"]
    await gate.client().chat.completions.create(model="newest", messages=MESSAGES)


async def test_sensitivity_is_never_leaked(gate: Tower) -> None:
    open_server = Server()
    await gate.add_model(open_server, clearance=0)
    client = gate.client(default_headers={"x-chappe-sensitivity": "restricted"})
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await client.chat.completions.create(model="m", messages=MESSAGES)
    assert caught.value.code == "not_cleared"
    assert not open_server.requests
    cleared = Server()
    await gate.add_model(cleared, name="safe", clearance=2)
    await client.chat.completions.create(model="safe", messages=MESSAGES)
    assert len(cleared.requests) == 1
    odd = gate.client(default_headers={"x-chappe-sensitivity": "secret"})
    with pytest.raises(openai.BadRequestError):
        await odd.chat.completions.create(model="safe", messages=MESSAGES)


async def test_unknown_fields_pass_whole_and_a_body_is_not_written_anew(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server)
    body = {"messages": MESSAGES, "model": "m", "odd": {"kept": [1, 2.50]}, "tools": []}
    await gate.client().post("/chat/completions", body=body, cast_to=object)
    assert server.requests[0] == body
    assert json.dumps(server.requests[0]) == json.dumps(body)


async def test_the_trace_goes_through(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server)
    trace = "0af7651916cd43dd8448eb211c80319c"
    client = gate.client(default_headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    await client.chat.completions.create(model="m", messages=MESSAGES)
    assert f"traceparent: 00-{trace}-" in server.headers[0]
    assert "b7ad6b7169203331" not in server.headers[0]
    await gate.accounts(1)
    rows = await gate.execute("select trace_id from request_account")
    assert rows == [(trace,)]


@pytest.mark.parametrize(
    ("kind", "path", "body"),
    [
        ("embedding", "embeddings", {"input": ["a"]}),
        ("rerank", "rerank", {"query": "q", "documents": ["a", "b"]}),
        ("chat", "responses", {"input": "bonjour"}),
    ],
)
async def test_the_other_operations(
    gate: Tower, kind: str, path: str, body: dict[str, Any]
) -> None:
    await gate.add_model(Server(), kind=kind)
    await gate.client().post(f"/{path}", body={"model": "m"} | body, cast_to=object)
    rows = await gate.accounts(1)
    assert rows[0][:4] == ("completed", 3, 0, "engine") or rows[0][1] == 3


async def test_a_transcription(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server, kind="transcription")
    answer = await gate.client().audio.transcriptions.create(
        model="m", file=("a.wav", b"RIFF....WAVE\r\n--x", "audio/wav"), language="fr"
    )
    assert answer.text == "bonjour"
    assert b'name="language"' in server.requests[0]["raw"]
    assert b"RIFF....WAVE\r\n--x" in server.requests[0]["raw"]
    await gate.accounts(1)
    assert await gate.execute("select audio_seconds from request_account") == [(2.5,)]


async def test_a_deprecated_model_that_falls_back_isnt_called_retired(gate: Tower) -> None:
    await gate.add_model(Server(fault="nohttp"), name="old", status="deprecated", fallbacks=["né"])
    await gate.add_model(Server(), name="né")
    raw = await gate.client().chat.completions.with_raw_response.create(
        model="old", messages=[{"role": "user", "content": "bonjour"}]
    )
    assert "old is deprecated" in raw.headers["warning"]
    assert raw.headers["x-chappe-model"] == "n%C3%A9"
