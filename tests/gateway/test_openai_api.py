"""The /v1 door, through the official `openai` client, over a real engine."""

import json
import urllib.error
import urllib.request

import openai
import pytest

import support
from gateway_accounts import accounts, client, settled

CHAT = "smollm2-135m-instruct"
ENCODER = "multilingual-e5-small"


def test_models(demo: support.Running) -> None:
    assert {model.id for model in client(demo).models.list()} == {CHAT, ENCODER}
    assert client(demo).models.retrieve(CHAT).id == CHAT


def test_chat_and_its_account(demo: support.Running) -> None:
    before = len(accounts(demo))
    answer = client(demo).chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": "Bonjour"}], max_tokens=8
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    row = settled(demo, before)
    assert row[:4] == (
        "completed",
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
        "engine",
    )


def test_streaming_hides_the_usage_that_was_not_asked_for(demo: support.Running) -> None:
    before = len(accounts(demo))
    chunks = list(
        client(demo).chat.completions.create(
            model=CHAT,
            messages=[{"role": "user", "content": "Bonjour"}],
            max_tokens=8,
            stream=True,
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    row = settled(demo, before)
    assert row[0] == "completed" and row[3] == "engine"
    assert 1 <= row[2] <= 8  # the model may end earlier
    assert 0 < row[4] <= row[5]  # type: ignore[operator]


def test_streaming_gives_the_usage_that_was_asked_for(demo: support.Running) -> None:
    chunks = list(
        client(demo).chat.completions.create(
            model=CHAT,
            messages=[{"role": "user", "content": "Bonjour"}],
            max_tokens=4,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


def test_embeddings(demo: support.Running) -> None:
    answer = client(demo).embeddings.create(model=ENCODER, input=["carte", "passeport"])
    assert [len(item.embedding) for item in answer.data] == [384, 384]
    assert sum(value * value for value in answer.data[0].embedding) == pytest.approx(1, abs=1e-3)


def test_bad_key(demo: support.Running) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client(demo, "chp_wrong").models.list()
    assert caught.value.code == "invalid_api_key"


def test_bad_model(demo: support.Running) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client(demo).chat.completions.create(
            model="gpt-nothing", messages=[{"role": "user", "content": "x"}]
        )
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_an_encoder_is_no_chat_model(demo: support.Running) -> None:
    with pytest.raises(openai.NotFoundError):
        client(demo).chat.completions.create(
            model=ENCODER, messages=[{"role": "user", "content": "x"}]
        )


@pytest.mark.parametrize("body", [b"{not json", b"[]", b"{}", b'{"model": 3}', b"", b"\xff\xfe"])
def test_bad_json(demo: support.Running, body: bytes) -> None:
    request = urllib.request.Request(
        f"{demo.url}/v1/chat/completions",
        data=body,
        headers={"authorization": f"Bearer {demo.key}", "content-type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    error = json.load(caught.value)["error"]
    assert error["code"] == "invalid_request" and error["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [True, False])
def test_a_1_mb_body_that_the_model_cannot_hold_is_refused_clearly(
    demo: support.Running, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client(demo).chat.completions.create(
            model=CHAT, messages=[{"role": "user", "content": "a" * 1_000_000}], stream=stream
        )
    assert "context" in str(caught.value)


def test_a_1_mb_body_passes_whole(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = ["Reçu."]
    content = "é" * 500_000
    client(scripted).chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": content}],
        extra_body={"unknown_field": {"kept": [1, 2]}},
    )
    request = endpoint.requests[-1]
    assert request["messages"] == [{"role": "user", "content": content}]
    assert request["unknown_field"] == {"kept": [1, 2]}


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/chat/completions", 405)])
def test_unknown_paths_and_methods(demo: support.Running, path: str, status: int) -> None:
    request = urllib.request.Request(
        demo.url + path, headers={"authorization": f"Bearer {demo.key}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == status
    assert "error" in json.load(caught.value)
