"""Clients that take a base address work unchanged: LangChain, and MCP tools by OpenAI's client."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from mcp import ClientSession, StdioServerParameters, stdio_client

from gateway_tower import Server, Tower

MCP_SERVER = Path(__file__).parents[1] / "mcp_server.py"
HOURS = {"town": "Quimper", "day": "lundi"}
QUESTION = "Quand ouvre la mairie de Quimper le lundi ?"


class Assistant(Server):
    """A model that calls the first tool it is given, then says what the tool answered."""

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if "input" in request:
            texts = request["input"]
            data = [
                {"object": "embedding", "index": i, "embedding": [1.0, 0.0, float(i)]}
                for i in range(len(texts))
            ]
            usage = {"prompt_tokens": 3, "total_tokens": 3}
            self._whole(writer, 200, self._object(data=data, usage=usage))
            return
        last = request["messages"][-1]
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        if request.get("tools") and last["role"] != "tool":
            name = request["tools"][0]["function"]["name"]
            call = {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(HOURS)},
            }
            message: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
            reason = "tool_calls"
        else:
            text = f"Réponse : {last['content']}" if last["role"] == "tool" else "Bonjour à vous"
            message, reason = {"role": "assistant", "content": text}, "stop"
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            self._whole(writer, 200, self._object(choices=[choice], usage=usage))
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        text = message.get("content")
        pieces: list[dict[str, Any]] = (
            [{"role": "assistant"}, *({"content": word + " "} for word in text.split())]
            if text
            else [message]
        )
        for piece in pieces:
            await self._event(writer, choices=[{"index": 0, "delta": piece}])
        await self._event(writer, choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
        await self._event(writer, choices=[], usage=usage)
        self._chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def langchain(gate: Tower) -> ChatOpenAI:
    return ChatOpenAI(model="m", base_url=f"{gate.url}/v1", api_key=gate.key, max_retries=0)


@tool
def opening_hours(town: str, day: str) -> str:
    """When the town hall is open."""
    return f"{town}, {day} : 9 h - 17 h"


async def test_langchain_asks_and_streams(gate: Tower) -> None:
    await gate.add_model(Assistant())
    whole = await langchain(gate).ainvoke("Bonjour")
    assert whole.content == "Bonjour à vous"
    assert whole.usage_metadata is not None and whole.usage_metadata["output_tokens"] == 4
    total: AIMessageChunk | None = None
    async for chunk in langchain(gate).astream("Bonjour", stream_usage=True):
        assert isinstance(chunk, AIMessageChunk)
        total = chunk if total is None else total + chunk
    assert total is not None and total.text.split() == ["Bonjour", "à", "vous"]
    assert total.usage_metadata is not None and total.usage_metadata["input_tokens"] == 9
    assert [row[0] for row in await gate.accounts(2)] == ["completed"] * 2


@pytest.mark.parametrize("streaming", [False, True])
async def test_langchain_binds_tools(gate: Tower, streaming: bool) -> None:
    await gate.add_model(Assistant())
    model = langchain(gate).bind_tools([opening_hours])
    asked: list[Any] = [HumanMessage(QUESTION)]
    if streaming:
        answer: Any = None
        async for chunk in model.astream(asked):
            answer = chunk if answer is None else answer + chunk
    else:
        answer = await model.ainvoke(asked)
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("opening_hours", HOURS)
    result: ToolMessage = await opening_hours.ainvoke(call)
    last = await model.ainvoke([*asked, answer, result])
    assert "9 h - 17 h" in last.text and not last.tool_calls


async def test_langchain_embeds(gate: Tower) -> None:
    """Texts go as text where the client isn't told to cut them with OpenAI's own tokenizer."""
    server = Assistant()
    await gate.add_model(server, kind="embedding")
    model = OpenAIEmbeddings(
        model="m", base_url=f"{gate.url}/v1", api_key=gate.key, check_embedding_ctx_length=False
    )
    assert await model.aembed_documents(["un", "deux"]) == [[1.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    assert await model.aembed_query("un") == [1.0, 0.0, 0.0]
    assert server.requests[0]["input"] == ["un", "deux"]


async def test_tools_of_an_mcp_server_by_openais_client(gate: Tower) -> None:
    """What a host of MCP does: list the tools, offer them to the model, call, give the result."""
    server = Assistant()
    await gate.add_model(server)
    client = gate.client()
    parameters = StdioServerParameters(command=sys.executable, args=[str(MCP_SERVER)])
    async with stdio_client(parameters) as pipes, ClientSession(*pipes) as session:
        await session.initialize()
        offered: Any = [
            {
                "type": "function",
                "function": {
                    "name": each.name,
                    "description": each.description,
                    "parameters": each.input_schema,
                },
            }
            for each in (await session.list_tools()).tools
        ]
        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        while True:
            answer = await client.chat.completions.create(
                model="m", messages=messages, tools=offered
            )
            said = answer.choices[0].message
            messages.append(said.model_dump(exclude_none=True))
            if not said.tool_calls:
                break
            for call in said.tool_calls:
                assert call.type == "function"
                result = await session.call_tool(
                    call.function.name, json.loads(call.function.arguments)
                )
                text = "".join(part.text for part in result.content if part.type == "text")
                messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
    assert said.content == "Réponse : Quimper, lundi : 9 h - 17 h"
    assert server.requests[0]["tools"] == offered
    assert server.requests[1]["messages"][-1]["tool_call_id"] == "call_1"
    assert [row[0] for row in await gate.accounts(2)] == ["completed"] * 2
