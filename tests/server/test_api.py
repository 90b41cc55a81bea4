"""The /api of a running installation: search, documents, answers, errors, health."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

import support
from assistant_answer import ask, of


def call(
    running: support.Running,
    path: str,
    body: Any = None,
    key: str | None = "",
    **headers: str,
) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON and headers of an answer; `key` None: without one."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
    request = urllib.request.Request(running.url + path, data=data)
    request.add_header("content-type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    if key is not None:
        request.add_header("authorization", f"Bearer {key or running.key}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw, status, given = answer.read(), answer.status, dict(answer.headers.items())
    except urllib.error.HTTPError as error:
        raw, status, given = error.read(), error.code, dict(error.headers.items())
    given = {name.lower(): value for name, value in given.items()}
    return status, json.loads(raw) if "json" in given.get("content-type", "") else raw, given


def search(running: support.Running, query: str, **options: Any) -> list[dict[str, Any]]:
    status, answer, _ = call(running, "/api/search", {"query": query} | options)
    assert status == 200, answer
    assert answer["dense"] is True
    return list(answer["hits"])


def test_status_tells_what_is_loaded(demo: support.Running) -> None:
    status, answer, _ = call(demo, "/api/status", key=None)
    assert status == 200
    assert answer["anonymous"] is True
    assert answer["model"]["state"] == "ready" and answer["model"]["weak"] is True
    assert {c["slug"] for c in answer["collections"]} == {"fiches-particuliers", "code-crpa"}
    assert all(c["documents"] > 5 and c["passages"] > 5 for c in answer["collections"])
    assert {load["state"] for load in answer["loads"]} == {"succeeded"}


def test_every_hit_is_exactly_its_span(demo: support.Running) -> None:
    hits = search(demo, "carte d'identité passeport photo", limit=20)
    assert len(hits) >= 3
    for hit in hits:
        status, document, _ = call(demo, f"/api/documents/{hit['document']['id']}")
        assert status == 200
        passage = hit["passage"]
        assert document["text"][passage["start"] : passage["end"]] == passage["text"]
        assert {"id", "external_id", "title", "url", "date", "collection"} <= set(hit["document"])
    # Of one document, better passages first; others' may come between.
    for own in {hit["document"]["id"] for hit in hits}:
        finals = [hit["scores"]["final"] for hit in hits if hit["document"]["id"] == own]
        assert finals == sorted(finals, reverse=True)


def test_collections_limit_the_search(demo: support.Running) -> None:
    hits = search(demo, "administration", collections=["code-crpa"])
    assert {hit["document"]["collection"] for hit in hits} == {"code-crpa"}
    status, problem, _ = call(demo, "/api/search", {"query": "x", "collections": ["nothing-there"]})
    assert (status, problem["code"]) == (404, "unknown_collection")


@pytest.mark.parametrize(
    "body",
    [b"{not json", {"query": ""}, {"query": "x" * 2001}, {"query": "x", "limit": 0},
     {"query": "x", "unknown": 1}, {"q": "x"}, b"\xff"],
)  # fmt: skip
def test_bad_requests_are_problems(demo: support.Running, body: Any) -> None:
    status, problem, headers = call(demo, "/api/search", body)
    assert status in (400, 422)
    assert headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    assert problem["request_id"] == headers["x-request-id"]


def test_problems_speak_the_readers_language(demo: support.Running) -> None:
    path = "/api/documents/00000000-0000-0000-0000-000000000000"
    french = call(demo, path)[1]["title"]
    english = call(demo, path, accept_language="en-GB")[1]["title"]
    assert (french, english) == ("Introuvable", "Not found")


def test_what_is_wrong_with_a_body_is_said_in_french(demo: support.Running) -> None:
    for body, code, told in (
        (b"{", "invalid_request", "ce n'est pas du JSON lisible"),
        (b"\xff", "invalid_request", "le corps de la demande est illisible"),
        ({"query": 3}, "invalid_request", "query\u00a0: un texte est attendu"),
        ({"query": "x" * 1_000_000}, "body_too_large", "1000000 octets"),
    ):
        status, problem, _ = call(demo, "/api/search", body, accept_language="fr")
        assert status in (400, 413, 422) and problem["code"] == code, problem
        assert told in problem["detail"]


def test_a_wrong_key_is_refused_even_where_none_is_needed(demo: support.Running) -> None:
    assert call(demo, "/api/search", {"query": "x"}, key="chp_no")[0] == 401
    assert call(demo, "/api/search", {"query": "x"}, key=None)[0] == 200


def test_a_foreign_host_name_is_refused(demo: support.Running) -> None:
    assert call(demo, "/api/status", host="evil.example")[0] == 421


def test_health_metrics_and_openapi(demo: support.Running) -> None:
    assert call(demo, "/healthz", key=None)[0] == 200
    status, ready, _ = call(demo, "/readyz", key=None)
    assert status == 200 and ready["parts"]["database"] == "ready"
    text = call(demo, "/metrics")[1].decode()
    assert "chappe_http_requests_total" in text and "chappe_search_seconds_count" in text
    paths = call(demo, "/api/openapi.json", key=None)[1]["paths"]
    assert {"/api/search", "/api/ask", "/api/documents/{document_id}"} <= set(paths)


def test_headers_of_the_page(demo: support.Running) -> None:
    status, page, headers = call(demo, "/", key=None)
    assert status == 200 and b"<html" in page
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


QUESTION = "Quelles pièces faut-il pour refaire sa carte d'identité ?"


def test_the_weak_model_is_not_passed_off(demo: support.Running) -> None:
    events = ask(demo, QUESTION)
    assert [name for name, _ in events[:2]] == ["search", "sources"]
    assert len(events[1][1]["sources"]) > 2
    assert of(events, "token")
    (done,) = of(events, "done")
    assert done["model"] == "smollm2-135m-instruct"
    assert done["usage"]["completion_tokens"] > 0
    for sentence in of(events, "sentence"):
        if sentence["status"] == "supported":
            assert any(c["status"] == "checked" for c in sentence["citations"])
    if done["status"] == "unsupported":
        (extracts,) = of(events, "extracts")
        for extract in extracts["extracts"]:
            document = call(demo, f"/api/documents/{extract['document']['id']}")[1]
            assert document["text"][extract["start"] : extract["end"]] == extract["text"]


def _script(running: support.Running) -> tuple[dict[str, Any], str]:
    """The first source of the question, and one of its sentences, word for word."""
    source = search(running, QUESTION, limit=8)[0]
    lines = [line for line in source["passage"]["text"].splitlines() if len(line) > 40]
    return source, lines[0]


def test_a_good_answer_is_cited_to_the_character(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    source, line = _script(scripted)
    endpoint.script = [f"La fiche dit : « {line.rstrip('.')} » [", "1]", "."]
    events = ask(scripted, QUESTION)
    (done,) = of(events, "done")
    assert done["status"] == "supported" and not of(events, "extracts")
    (sentence,) = of(events, "sentence")
    (citation,) = sentence["citations"]
    assert citation["status"] == "checked"
    assert citation["document_id"] == source["document"]["id"]
    document = call(scripted, f"/api/documents/{citation['document_id']}")[1]
    span = citation["span"]
    assert document["text"][span["start"] : span["end"]] == citation["quote"]
    assert line.rstrip(".") in citation["quote"]


def test_lies_are_caught(scripted: support.Running, endpoint: support.ScriptedEndpoint) -> None:
    _, line = _script(scripted)
    words = line.rstrip(".").split()
    altered = " ".join([*words[:-2], "girafe", words[-1]])
    endpoint.script = [
        f"On lit : « {altered} » [1].\n",
        f"On lit aussi : « {line.rstrip('.')} » [7].\n",
        f"Et encore : « {line.rstrip('.')} » [42].\n",
        "Il faut payer 9 999 euros à la préfecture de police.",
    ]
    events = ask(scripted, QUESTION)
    sentences = of(events, "sentence")
    assert [s["status"] for s in sentences] == ["unsupported"] * 4
    reasons = [c["reason"] for s in sentences for c in s["citations"]]
    assert reasons[0] == "quote_not_found"
    assert reasons[1] in ("found_elsewhere", "unknown_source")
    assert reasons[2] == "unknown_source"
    (done,) = of(events, "done")
    assert done["status"] == "unsupported"
    assert of(events, "extracts")[0]["reason"] == "unsupported"


def test_an_engine_that_fails_leaves_the_extracts(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "error"
    events = ask(scripted, QUESTION)
    assert [name for name, _ in events] == [
        "search",
        "sources",
        *(["clarification"] if of(events, "clarification") else []),
        "extracts",
        "error",
    ]
    assert of(events, "extracts")[0]["extracts"]
    assert of(events, "error")[0]["code"] == "engine_refused"


def test_leaving_stops_the_generation(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "slow"
    endpoint.closed_early.clear()
    request = urllib.request.Request(
        f"{scripted.url}/api/ask",
        data=json.dumps({"question": QUESTION}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        while b"token" not in answer.readline():
            pass
    assert endpoint.closed_early.wait(2)


def test_a_document_is_not_obeyed(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = ["Bonjour."]
    ask(scripted, QUESTION)
    messages = endpoint.requests[-1]["messages"]
    assert isinstance(messages, list)
    shown = messages[-1]["content"]
    marks = set(re.findall(r"PASSAGE-[0-9a-f]{16}", shown))
    assert len(marks) == 1, "passages stand between marks drawn for this request"
    ask(scripted, QUESTION)
    again = set(re.findall(r"PASSAGE-[0-9a-f]{16}", str(endpoint.requests[-1]["messages"])))
    assert marks != again


def test_logs_hold_neither_question_nor_key(scripted: support.Running) -> None:
    secret = "ma question très personnelle 73519"
    search(scripted, secret)
    printed = [line for line in scripted.output if not line.startswith(("key ", "curl "))]
    text = "".join(printed)
    assert "73519" not in text and scripted.key not in text
