"""What users of other gateways suffer from with their keys."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import support
from chappe.core.database import Database
from chappe.identity.keys import create_key, revoke_keys
from gateway_tower import Server, Tower

LITTLE = {"model": "scripted", "messages": [{"role": "user", "content": "Bonjour"}]}


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, endpoint: support.ScriptedEndpoint
) -> Iterator[support.Running]:
    """`chappe serve` that tells all that it can of what it does."""
    folder = tmp_path_factory.mktemp("keys")
    running = support.start(
        ["serve", "--no-worker"],
        folder,
        CHAPPE_MODELS=f"scripted={endpoint.url}",
        CHAPPE_EMBEDDED_ENCODER="false",
        CHAPPE_LOG_LEVEL="debug",
        CHAPPE_ANONYMOUS="false",
    )
    running.wait_line("^ready ")
    yield running
    running.stop()


def make_key(running: support.Running, *options: str) -> str:
    made = support.chappe("key", "create", *options, data_dir=running.data_dir.parent)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def call(
    running: support.Running,
    method: str,
    path: str,
    body: Any = None,
    **headers: str,
) -> tuple[int, str]:
    request = urllib.request.Request(
        running.url + path,
        json.dumps(body).encode() if body is not None else None,
        {"content-type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_litellm_30670_no_key_in_what_is_printed_stored_or_answered(
    served: support.Running,
) -> None:
    key = make_key(served, "--name", "poste", "--scope", "models", "--scope", "search")
    wrong = "chp_" + "wrong0key1" * 4 + "abc"
    for secret in (key, wrong):
        good = {"authorization": f"Bearer {secret}"}
        answers = [
            call(served, "POST", "/v1/chat/completions", LITTLE, **good),
            call(served, "POST", "/v1/chat/completions", LITTLE | {"stream": True}, **good),
            call(served, "POST", "/v1/chat/completions", {"model": 7}, **good),
            call(served, "POST", "/v1/chat/completions", {"model": "nothing"}, **good),
            call(served, "GET", "/v1/models", **good),
            call(served, "GET", "/v1/files", **good),
            call(served, "POST", "/api/search", {"query": "carte"}, **good),
            call(served, "GET", "/api/admin/keys", **good),
            call(served, "PUT", "/api/admin/limits", {"subject": "model"}, **good),
            # Where a key doesn't belong, people put it all the same.
            call(served, "GET", f"/v1/models?api_key={secret}"),
            call(served, "GET", f"/v1/models/{secret}", **good),
            call(served, "GET", f"/api/{secret}", **good),
            call(served, "DELETE", f"/api/admin/models/{secret}", **good),
            call(served, "GET", "/v1/models", x_api_key=secret),
            call(served, "GET", "/v1/models", authorization=secret),
            call(served, "GET", "/v1/models", authorization=f"Basic {secret}"),
        ]
        # What a client put into an address or a body may be told to that client, never kept.
        assert not any(secret in text for _, text in answers[:5])
    assert answers[0][0] == 401 and call(
        served, "POST", "/v1/chat/completions", LITTLE, authorization=f"Bearer {key}"
    )[0] == 200  # fmt: skip

    # Stopped, so that everything was written; then every byte on the disk, the database's too.
    folder = served.data_dir.parent
    served.stop()
    printed = "".join(served.output)
    assert printed.count('"event": "request"') >= 20
    assert '"route": "/api/admin/keys"' in printed and '"route": "/v1/models/{id}"' in printed
    listed = support.chappe("key", "list", "--json", data_dir=folder).stdout
    log = support.chappe("audit", "list", "--json", data_dir=folder).stdout
    assert "poste" in listed and "key.use" in log

    def kept(text: str) -> str:
        return subprocess.run(
            ["grep", "-rlaF", text, str(folder)], capture_output=True, text=True
        ).stdout

    assert kept("poste"), "what is kept is found where it is"
    for secret in (key, wrong):
        for text in (printed, listed, log):
            assert secret not in text and secret[9:] not in text
        assert kept(secret[9:]) == ""


def test_litellm_37052_the_owner_of_a_key_cannot_raise_what_it_may(tmp_path: Path) -> None:
    """Neither by its own key, nor by one that it makes or takes over; the limits' own routes are
    tested with the quotas."""
    running = support.start(
        ["serve", "--no-worker"],
        tmp_path,
        CHAPPE_EMBEDDED_CHAT="false",
        CHAPPE_EMBEDDED_ENCODER="false",
    )
    try:
        running.wait_line("^ready ")
        operator = make_key(running, *[p for s in ("operate", "models") for p in ("--scope", s)])
        manager = make_key(running, "--name", "m", "--scope", "models", "--scope", "manage")
        user = make_key(running, "--name", "u")

        def ask(key: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
            status, text = call(
                running, method, f"/api/admin/{path}", body, authorization=f"Bearer {key}"
            )
            return status, json.loads(text) if text else None

        ids = {row["name"]: row["id"] for row in ask(operator, "GET", "keys")[1]}
        limit = {"subject": f"key:{ids['u']}", "measure": "requests", "period": "day", "amount": 5}
        assert ask(operator, "PUT", "limits", limit)[0] == 204
        for key in (user, manager):
            assert ask(key, "PUT", "limits", limit | {"amount": 5e9})[0] == 403
            assert (
                ask(key, "PUT", "organisations/default", {"slug": "default", "weight": 9})[0] == 403
            )
            everything = {"name": "x", "scopes": ["models", "operate"]}
            assert ask(key, "POST", "keys", everything)[0] == 403
            assert ask(key, "POST", f"keys/{ids['cli']}/rotate", {})[0] == 403
            assert ask(key, "DELETE", f"keys/{ids['cli']}")[0] == 403
            model = {"name": "m", "grants": ["organisation:default"]}
            assert ask(key, "PUT", "models/m", model)[0] == 403
        # A key that is replaced keeps its limits: they are its identifier's.
        status, made = ask(manager, "POST", f"keys/{ids['u']}/rotate", {"hours": 0})
        assert status == 200 and made["id"] == ids["u"]
        kept = ask(operator, "GET", "limits")[1]
        assert [(row["subject"], row["amount"]) for row in kept] == [(f"key:{ids['u']}", 5)]
        refused = ask(operator, "GET", "audit?outcome=refused&limit=500")[1]
        assert {row["actor"] for row in refused} == {f"key:{ids['u']}", f"key:{ids['m']}"}
        assert {"limit.set", "organisation.put", "key.create", "key.rotate", "key.revoke",
                "model.put"} <= {row["action"] for row in refused}  # fmt: skip
        assert ask(operator, "GET", "audit/verification")[1]["holds"] is True
    finally:
        running.stop()


async def test_every_refused_access_to_a_model_is_in_the_audit_log(gate: Tower) -> None:
    await gate.add_model(Server(), name="open")
    await gate.add_model(Server(), name="granted", public=False)
    database = Database(gate.database_url, 1)
    async with database.session() as session:
        reader = await create_key(session, "reader", ("search",))
        secretive = await create_key(session, "secretive", level=2)
        revoked = await create_key(session, "revoked")
        await revoke_keys(session, "revoked")
    await database.close()
    tries = [
        (reader, "open", 403), (secretive, "open", 403), (gate.key, "granted", 404),
        (revoked, "open", 401), ("chp_unknown", "open", 401),
    ]  # fmt: skip
    for _ in range(3):
        for key, model, status in tries:
            with pytest.raises(openai.APIStatusError) as refused:
                await gate.client(key).chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "confidential"}]
                )
            assert refused.value.status_code == status
        with pytest.raises(openai.PermissionDeniedError):
            await gate.client(reader).models.list()
    await gate.gateway.keys.refusals.write()
    rows = await gate.execute(
        "select coalesce(k.name, a.actor), a.action, a.object, a.detail->>'reason'"
        " from audit_entry a left join api_key k on a.actor = 'key:' || k.id"
        " where a.outcome = 'refused'"
    )
    assert set(rows) == {
        ("reader", "model.use", "", "scope models missing"),
        ("secretive", "model.use", "open", "not cleared for its level"),
        ("test", "model.use", "granted", "not granted"),
        ("revoked", "key.use", "", "revoked or expired"),
        ("unknown", "key.use", "", "no such key"),
    }
    kept = await gate.execute("select count::int from audit_refusal where actor = 'unknown'")
    assert sum(count for (count,) in kept) <= 3 and "confidential" not in str(rows)
