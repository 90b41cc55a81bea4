"""Whatever is sent to /api, its own description being the guide, it never breaks."""

import json
import urllib.request
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

import support


def _made(demo: support.Running) -> list[str]:
    """Collections that were made by whoever has no key."""
    with urllib.request.urlopen(f"{demo.url}/api/collections", timeout=20) as answer:
        return [one["slug"] for one in json.load(answer) if one["role"] == "owner"]


@pytest.fixture
def tidy(demo: support.Running) -> Iterator[None]:
    """The installation is shared: what was made here goes."""
    assert _made(demo) == []
    yield
    for slug in _made(demo):
        request = urllib.request.Request(f"{demo.url}/api/collections/{slug}", method="DELETE")
        urllib.request.urlopen(request, timeout=20).close()


def test_nothing_breaks(demo: support.Running, tidy: None) -> None:
    schema = schemathesis.openapi.from_url(f"{demo.url}/api/openapi.json")
    paths = []
    for result in schema.get_all_operations():
        operation = result.ok()
        # Answers are slow with the embedded model; they have their own tests.
        if operation.path == "/api/ask":
            continue
        paths.append(operation.path)

        @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=[not_a_server_error])

        check()
    assert {"/api/search", "/api/status", "/api/documents/{document_id}"} <= set(paths)
