"""`chappe key`, `organisation`, `person`, `group` and `audit`, on a folder of their own."""

import json
from pathlib import Path

import psycopg
import pytest

import support


# Forty commands, each a process with a database of its own to reach; the acts are tested by API.
@pytest.mark.slow
def test_organisations_people_groups_and_keys(tmp_path: Path, database_url: str) -> None:
    def run(*arguments: str, fails: bool = False) -> str:
        done = support.chappe(*arguments, data_dir=tmp_path, CHAPPE_DATABASE_URL=database_url)
        assert (done.returncode != 0) is fails, done.stderr
        assert not fails or done.stderr.count("\n") == 1, done.stderr
        return done.stderr if fails else done.stdout

    run("organisation", "add", "lyon", "--name", "Ville de Lyon", "--weight", "3")
    run("organisation", "add", "lyon", fails=True)
    run("organisation", "set", "lyon", "--siret", "21690123100011")
    organisations = {row["slug"]: row for row in json.loads(run("organisation", "list", "--json"))}
    assert organisations["lyon"]["weight"] == 3, "what isn't given stays"
    run("organisation", "set", "lyon", "--weight", "0", fails=True)
    run("person", "add", "lyon", "Ada")
    run("group", "add", "lyon", "etudes")
    run("group", "member", "lyon/etudes", "Ada")
    run("group", "member", "lyon/etudes", "Bob", fails=True)
    assert json.loads(run("group", "list", "--json"))[0]["members"] == ["Ada"]
    assert "Ada" in run("person", "list")
    run("group", "member", "lyon/etudes", "Ada", "--remove")
    assert json.loads(run("group", "list", "--json"))[0]["members"] == []

    run("group", "rename", "lyon/etudes", "--slug", "recherche", "--name", "Recherche")
    assert json.loads(run("group", "list", "--json"))[0]["slug"] == "recherche"
    run("group", "rename", "lyon/etudes", "--slug", "autre", fails=True)
    run("group", "remove", "lyon/recherche")
    run("person", "add", "lyon", "Bob")
    run("key", "create", "--name", "bob", "--organisation", "lyon", "--person", "Bob")
    assert run("person", "remove", "lyon/Bob") == "person lyon/Bob removed\n"
    run("person", "remove", "lyon/Bob", fails=True)
    assert json.loads(run("key", "list", "--json"))[0]["revoked_at"] is not None

    secret = run(
        "key", "create", "--name", "poste", "--organisation", "lyon", "--person", "Ada",
        "--level", "1",
    ).strip()  # fmt: skip
    newer = run("key", "rotate", "poste", "--hours", "2").strip()
    _, row = json.loads(run("key", "list", "--json"))
    assert (row["organisation"], row["person"], row["level"]) == ("lyon", "Ada", 1)
    assert row["prefix"] == newer[:8] and row["previous_until"] is not None
    assert newer != secret and secret not in str(row) and newer not in str(row)
    run("key", "create", "--organisation", "nowhere", fails=True)
    run("key", "create", "--scope", "all", fails=True)
    run("key", "rotate", "nothing", fails=True)
    assert run("key", "revoke", "poste") == "1 revoked\n"

    acts = [json.loads(line)["action"] for line in run("audit", "list", "--json").splitlines()]
    assert acts == [
        "key.revoke", "key.rotate", "key.create", "person.remove", "key.revoke", "key.create",
        "person.add", "group.remove", "group.rename", "group.leave", "group.join", "group.add",
        "person.add", "organisation.put", "organisation.put",
    ]  # fmt: skip
    assert "limit.set" in run("audit", "list", "--action", "limit.sett", fails=True)
    assert run("audit", "list", "--action", "limit.set") == ""
    said = run("audit", "verify")
    assert said.startswith("15 entries hold; anchor 15:")
    anchor = said.split()[-1]
    run("audit", "verify", "--anchor", anchor)
    run("audit", "verify", "--anchor", anchor.partition(":")[2])
    run("audit", "verify", "--anchor", "nonsense", fails=True)
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table audit_entry disable trigger all")
        connection.execute("delete from audit_entry where sequence = 15")
    run("audit", "verify")
    assert "anchor" in run("audit", "verify", "--anchor", anchor, fails=True)
    with psycopg.connect(database_url) as connection:
        connection.execute("update audit_entry set actor = 'page' where sequence = 4")
    assert "entry 4" in run("audit", "verify", fails=True)
