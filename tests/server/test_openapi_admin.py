"""The administration API, called by somebody who may do all, never breaks either."""

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

import support


def test_nothing_breaks(tmp_path: Path, endpoint: support.ScriptedEndpoint) -> None:
    running = support.start(
        ["serve", "--no-worker"],
        tmp_path,
        CHAPPE_MODELS=f"scripted={endpoint.url}",
        CHAPPE_EMBEDDED_ENCODER="false",
    )
    try:
        running.wait_line("^ready ")
        scopes = [part for scope in ("operate", "manage", "models") for part in ("--scope", scope)]
        key = support.chappe("key", "create", *scopes, data_dir=tmp_path).stdout.strip()
        schema = schemathesis.openapi.from_url(f"{running.url}/api/openapi.json")
        paths = set()
        for result in schema.get_all_operations():
            operation = result.ok()
            if not operation.path.startswith("/api/admin"):
                continue
            paths.add(operation.path)

            @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy())
            def check(case: schemathesis.Case) -> None:
                case.call_and_validate(
                    checks=[not_a_server_error], headers={"Authorization": f"Bearer {key}"}
                )

            check()
        assert {"/api/admin/models/{name}", "/api/admin/limits", "/api/admin/apply"} <= paths
    finally:
        running.stop()
