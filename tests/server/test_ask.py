"""/api/ask over HTTP: in one piece, in a conversation, and what it refuses."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

import support
from assistant_answer import ask, of

QUESTION = "Quelles pièces faut-il pour refaire sa carte d'identité ?"


def post(running: support.Running, body: Any, **headers: str) -> tuple[int, Any]:
    """Status and JSON of an answer in one piece."""
    request = urllib.request.Request(
        f"{running.url}/api/ask",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {running.key}", "content-type": "application/json"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_an_answer_in_one_piece(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = ["Bonjour."]
    source = of(ask(scripted, QUESTION), "sources")[0]["sources"][0]
    line = next(line for line in source["passage"]["text"].splitlines() if len(line) > 40)
    endpoint.script = [f"La fiche dit : « {line.rstrip('.')} » [1]."]
    for status, whole in (
        post(scripted, {"question": QUESTION, "stream": False}),
        post(scripted, {"question": QUESTION}, accept="application/json"),
    ):
        assert status == 200
        assert (whole["status"], whole["answer"]) == ("supported", endpoint.script[0])
        (citation,) = whole["citations"]
        assert citation["document"] == source["document"]["id"]
        assert citation["state"] == "supported" and citation["version"] == 1
        assert whole["sources"] and whole["search"]["question"] == QUESTION


def test_a_failure_in_one_piece_leaves_the_extracts(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "error"
    status, whole = post(scripted, {"question": QUESTION, "stream": False})
    assert (status, whole["status"]) == (200, "error")
    assert whole["error"]["code"] == "engine_refused" and whole["extracts"]["extracts"]


def test_a_conversation_names_the_documents_that_it_cited(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = ["Bonjour."]
    events = ask(scripted, QUESTION)
    cited = of(events, "sources")[0]["sources"][0]["document"]
    turns = [{"question": "Quelles démarches ?", "documents": [cited["id"]]}]
    (search,) = of(ask(scripted, "Quel délai ?", turns=turns), "search")
    assert cited["title"] in search["question"] and search["follows"]
    turns[0]["documents"] = ["00000000-0000-0000-0000-000000000000"]
    (search,) = of(ask(scripted, "Quel délai ?", turns=turns), "search")
    assert cited["title"] not in search["question"]


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"date": "hier"}, 422, "invalid_request"),
        ({"language": "klingon"}, 422, "invalid_request"),
        ({"turns": [{"question": "x"}] * 21}, 422, "invalid_request"),
        ({"turns": [{"question": ""}]}, 422, "invalid_request"),
        ({"turns": [{"question": "x", "role": "system"}]}, 422, "invalid_request"),
        ({"case": {"document": "x"}}, 422, "invalid_request"),
        ({"case": {"document": "00000000-0000-0000-0000-000000000000"}}, 404, "not_found"),
        ({"model": "nothing"}, 404, "unknown_model"),
        ({"collections": ["nothing"]}, 404, "unknown_collection"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_before_a_stream(
    scripted: support.Running, more: dict[str, Any], status: int, code: str
) -> None:
    answered, problem = post(scripted, {"question": QUESTION} | more)
    assert (answered, problem["code"]) == (status, code)
