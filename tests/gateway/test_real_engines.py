"""Two real llama.cpp servers, one of which dies in the middle of an answer."""

import os
import signal
from pathlib import Path
from typing import Any

from chappe.gateway.catalogue import Endpoint
from chappe.gateway.engines import EngineProcess, embedded_chat_model, engine_command
from gateway_tower import Tower

MESSAGES: Any = [{"role": "user", "content": "Count from one to forty, in words."}]


async def test_an_answer_goes_on_when_its_llama_cpp_server_is_killed(
    gate: Tower, tmp_path: Path
) -> None:
    found = embedded_chat_model()
    assert found is not None
    model, file = found
    name = model.name
    model.endpoints = [
        Endpoint(
            f"configured:real{n}", f"real{n}", engine="llamacpp", clearance=2, capacity=2,
            upstream_names={name: name}, embedded=True, state="starting",
        )
        for n in range(2)
    ]  # fmt: skip
    gate.gateway._source._configured = [model]
    gate.gateway._use([model], [])
    engines = [
        EngineProcess(endpoint, "chat", engine_command(model, file), gate.gateway._engine_changed)
        for endpoint in model.endpoints
    ]
    gate.gateway.engines.extend(engines)
    for engine in engines:
        engine.start()
    for engine in engines:
        assert await engine.wait_ready(120)
    gate.gateway.first_byte_timeout = gate.gateway.inter_token_timeout = 60.0
    stream = await gate.client().chat.completions.create(
        model=name,
        messages=MESSAGES,
        stream=True,
        max_tokens=60,
        temperature=0,
        stream_options={"include_usage": True},
    )
    text, killed, ids, usage, reason = "", "", set(), None, None
    async for chunk in stream:
        ids.add(chunk.id)
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
        if len(text) > 40 and not killed:
            busy = next(
                state for state in gate.gateway.dispatcher._queues[name].pool if state.in_flight
            )
            killed = busy.id
            engine = next(e for e in engines if e.endpoint.id == killed)
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
    assert killed and len(text) > 80 and len(ids) == 1
    assert reason in ("length", "stop") and usage is not None
    (row,) = await gate.accounts(1)
    assert row[0] == "continued" and row[4] == 2
    assert row[5] == next(e.name for e in model.endpoints if e.id != killed)
    assert row[2] == usage.completion_tokens and 12 <= usage.completion_tokens <= 61
    assert gate.nothing_held()
