"""Collections and documents by HTTP: who may do what, and what people see of it."""

import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from knowledge.collection_world import World, world


@pytest.fixture
async def two(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database_url, tmp_path) as made:
        yield made


async def make(two: World, who: str, title: str = "Notes", **more: Any) -> str:
    made = await two.call(who, "POST", "collections", json={"title": title} | more)
    assert made.status_code == 201, made.text
    return str(made.json()["slug"])


async def test_somebody_fills_a_collection_and_asks_it(two: World) -> None:
    slug = await make(two, "lyon/ana", "Règlement intérieur", level=1)
    assert slug == "reglement-interieur"
    taken = await two.upload("lyon/ana", slug, note="Le badge coûte 12 euros.".encode())
    assert taken.status_code == 202
    [document] = taken.json()
    assert document["outcome"] == "added" and document["state"] in ("received", "reading")
    await two.settled()
    assert await two.found("lyon/ana", "prix du badge") == ["Le badge coûte 12 euros."]
    listed = (await two.call("lyon/ana", "GET", f"collections/{slug}/documents")).json()
    assert listed["counts"] == {"ready": 1} and listed["next"] is None
    assert listed["documents"][0]["name"] == "note.txt"
    read = (await two.call("lyon/ana", "GET", f"documents/{document['id']}")).json()
    assert read["text"] == "Le badge coûte 12 euros." and read["version"] == 1
    [load] = (await two.call("lyon/ana", "GET", f"loads?collection={slug}")).json()
    assert (load["state"], load["found"], load["settled"]) == ("done", 1, 1)
    own = (await two.call("lyon/ana", "GET", f"collections/{slug}")).json()
    assert own["role"] == "owner" and own["owner"]["name"] == "lyon/ana" and own["level"] == 1


async def test_the_original_comes_back_as_it_came_and_harmless(two: World) -> None:
    slug = await make(two, "lyon/ana")
    content = b"<script>alert(1)</script><p>Bonjour"
    form = [("files", ('d/ré"sumé\r\n.html', content))]
    taken = await two.call("lyon/ana", "POST", f"collections/{slug}/documents", files=form)
    identifier = taken.json()[0]["id"]
    await two.settled()
    answer = await two.call("lyon/ana", "GET", f"documents/{identifier}/original")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''r%C3%A9")
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_versions_stay_readable_and_the_newest_is_found(two: World) -> None:
    slug = await make(two, "lyon/ana")
    identifier = (await two.upload("lyon/ana", slug, a=b"Le tarif est de 10 euros.")).json()[0][
        "id"
    ]
    await two.settled()
    again = await two.upload("lyon/ana", slug, a=b"Le tarif est de 20 euros.")
    assert again.json()[0] | {"state": ""} == {
        "id": identifier, "name": "a.txt", "outcome": "changed", "state": "",
    }  # fmt: skip
    await two.settled()
    assert await two.found("lyon/ana", "tarif") == ["Le tarif est de 20 euros."]
    versions = (await two.call("lyon/ana", "GET", f"documents/{identifier}/versions")).json()
    assert [(v["number"], v["state"]) for v in versions] == [(2, "served"), (1, "superseded")]
    for number, price in ((1, "10"), (2, "20")):
        read = await two.call("lyon/ana", "GET", f"documents/{identifier}?version={number}")
        assert price in read.json()["text"] and read.json()["superseded"] is (number == 1)
        original = await two.call(
            "lyon/ana", "GET", f"documents/{identifier}/original?version={number}"
        )
        assert price in original.text
    assert (
        await two.call("lyon/ana", "GET", f"documents/{identifier}?version=3")
    ).status_code == 404


async def test_what_fails_says_why_in_the_reader_s_language_and_is_retried(two: World) -> None:
    slug = await make(two, "lyon/ana")
    identifier = (await two.upload("lyon/ana", slug, vide=b"")).json()[0]["id"]
    await two.settled()
    for language, word in (("fr", "fichier"), ("en", "file")):
        listed = await two.call(
            "lyon/ana", "GET", f"collections/{slug}/documents?state=failed",
            headers={"accept-language": language},
        )  # fmt: skip
        [document] = listed.json()["documents"]
        assert word in document["reason"] and listed.json()["counts"] == {"failed": 1}
    assert (await two.call("lyon/ana", "POST", f"documents/{identifier}/retry")).status_code == 202
    await two.settled()
    read = (await two.call("lyon/ana", "GET", f"documents/{identifier}")).json()
    assert read["state"] == "failed" and read["text"] == ""


async def test_a_removed_document_is_out_at_once_and_its_original_goes(two: World) -> None:
    slug = await make(two, "lyon/ana")
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("note.txt", "Le parking ferme à 20 heures.")
    form = [("files", ("a.zip", packed.getvalue()))]
    taken = await two.call("lyon/ana", "POST", f"collections/{slug}/documents", files=form)
    identifier = taken.json()[0]["id"]
    await two.settled()
    assert len(await two.found("lyon/ana", "parking")) == 1
    assert (await two.call("lyon/ana", "DELETE", f"documents/{identifier}")).status_code == 204
    assert await two.found("lyon/ana", "parking") == []
    assert (await two.call("lyon/ana", "GET", f"documents/{identifier}")).status_code == 404
    await two.settled()
    assert await two.query("select 1 from document") == []
    blobs = two.runtime.settings.data_dir / "blobs"
    assert [p for p in blobs.rglob("*") if p.is_file()] == []


async def test_a_collection_is_shared_and_taken_back(two: World) -> None:
    slug = await make(two, "lyon/ana")
    await two.upload("lyon/ana", slug, a=b"Le secret est violet.")
    await two.settled()
    path = f"collections/{slug}/grants/person"
    assert await two.found("lyon/ben", "secret") == []
    shared = await two.call("lyon/ana", "PUT", f"{path}/ben", json={"role": "reader"})
    assert shared.status_code == 204
    assert len(await two.found("lyon/ben", "secret")) == 1
    refused = await two.upload("lyon/ben", slug, b=b"x")
    assert refused.status_code == 403 and refused.json()["code"] == "collection_forbidden"
    await two.call("lyon/ana", "PUT", f"{path}/ben", json={"role": "editor"})
    assert (await two.upload("lyon/ben", slug, b=b"Le mur est vert.")).status_code == 202
    for method in ("PUT", "DELETE"):
        change = await two.call("lyon/ben", method, f"{path}/ben", json={"role": "editor"})
        assert change.status_code == 403
    [grant] = (await two.call("lyon/ana", "GET", f"collections/{slug}/grants")).json()
    assert (grant["name"], grant["role"]) == ("lyon/ben", "editor")
    assert (await two.call("lyon/ana", "DELETE", f"{path}/ben")).status_code == 204
    assert await two.found("lyon/ben", "secret") == []
    # Somebody of another organisation can't be named, nor found out.
    others = await two.call("lyon/ana", "PUT", f"{path}/nantes/cleo", json={"role": "reader"})
    nobody = await two.call("lyon/ana", "PUT", f"{path}/nantes/nobody", json={"role": "reader"})
    assert others.status_code == nobody.status_code == 404
    acts = await two.query("select action, outcome from audit_entry order by sequence")
    assert ("collection.grant", "done") in acts and ("document.upload", "refused") in acts


async def test_groups_and_organisations_own_and_read(two: World) -> None:
    [(ana,)] = await two.query("select id from person where name = 'ana'")
    await two.query(
        "with g as (insert into person_group (organisation_id, slug, name)"
        " select organisation_id, 'rh', 'RH' from person where id = :ana returning id)"
        " insert into person_group_member select id, :ana from g", ana=ana,
    )  # fmt: skip
    slug = await make(two, "lyon/ana", "RH", owner="group:rh")
    refused = await two.call(
        "lyon/ben", "POST", "collections", json={"title": "X", "owner": "group:rh"}
    )
    assert refused.status_code == 403
    assert (await two.upload("lyon/ana", slug, a=b"La prime est de 300 euros.")).status_code == 202
    await two.settled()
    assert await two.found("lyon/ben", "prime") == []
    # A member of the group fills it; the organisation's administrator says who reads it.
    for who, expected in (("lyon/ana", 403), ("lyon/manager", 204)):
        given = await two.call(
            who, "PUT", f"collections/{slug}/grants/organisation/lyon", json={"role": "reader"}
        )
        assert given.status_code == expected
    assert len(await two.found("lyon/ben", "prime")) == 1
    assert len(await two.found("machine", "prime")) == 1
    assert await two.found("nantes/cleo", "prime") == []


async def test_an_administrator_sees_without_reading(two: World) -> None:
    slug = await make(two, "lyon/ana")
    identifier = (await two.upload("lyon/ana", slug, a=b"Le secret est violet.")).json()[0]["id"]
    await two.settled()
    for who in ("lyon/manager", "operator"):
        seen = (await two.call(who, "GET", f"collections/{slug}")).json()
        assert seen["role"] == "administrator"
        assert await two.found(who, "secret") == []
        for path in (f"collections/{slug}/documents", f"documents/{identifier}"):
            assert (await two.call(who, "GET", path)).status_code == 404
    changed = await two.call(
        "lyon/manager", "PATCH", f"collections/{slug}", json={"title": "Autre", "level": 2}
    )
    assert (changed.json()["title"], changed.json()["level"]) == ("Autre", 2)
    published = await two.call(
        "lyon/manager", "PATCH", f"collections/{slug}", json={"public": True}
    )
    assert published.status_code == 403
    assert (
        await two.call("operator", "PATCH", f"collections/{slug}", json={"public": True})
    ).status_code == 200
    assert len(await two.found("nantes/cleo", "secret")) == 1


async def test_a_rule_of_retention_removes_and_tells(two: World) -> None:
    slug = await make(two, "lyon/ana", retention_days=30)
    await two.upload("lyon/ana", slug, a=b"Ceci passe.", b=b"Ceci reste.")
    await two.settled()
    await two.query("update document set deletes_at = now() - interval '1 s' where name = 'a.txt'")
    from chappe.knowledge.removal import expire

    assert await expire(two.runtime.database) == 1
    await two.settled()
    loads = (await two.call("lyon/ana", "GET", f"loads?collection={slug}")).json()
    assert (loads[0]["origin"], loads[0]["removed"]) == ("retention", 1)
    assert loads[0]["detail"] == {"names": ["a.txt"]}
    await two.call("lyon/ana", "PATCH", f"collections/{slug}", json={"retention_days": None})
    assert await two.query("select deletes_at from document") == [(None,)]


async def test_what_is_wrong_with_an_upload_is_said(database_url: str, tmp_path: Path) -> None:
    async with world(database_url, tmp_path, document_max_bytes=1024) as two:
        slug = await make(two, "lyon/ana")
        path = f"collections/{slug}/documents"
        large = await two.upload("lyon/ana", slug, first=b"x", large=b"x" * 1025)
        assert (large.status_code, large.json()["code"]) == (413, "file_too_large")
        no_form = await two.call("lyon/ana", "POST", path, content=b"x")
        assert (no_form.status_code, no_form.json()["code"]) == (400, "invalid_request")
        empty = await two.call("lyon/ana", "POST", path, files=[("files", ("", b""))])
        assert (empty.status_code, empty.json()["code"]) == (422, "no_file")
        await two.settled()
        listed = (await two.call("lyon/ana", "GET", path)).json()
        assert [d["name"] for d in listed["documents"]] == ["first.txt"]
        left = list((tmp_path / "reading").iterdir())
        assert left == []


async def test_a_page_is_drawn_with_the_place_of_what_is_cited(two: World) -> None:
    slug = await make(two, "lyon/ana")
    drawn = BytesIO()
    canvas = Canvas(drawn, pagesize=(400, 300))
    canvas.drawString(100, 200, "Le badge coûte douze euros.")
    canvas.showPage()
    canvas.drawString(100, 200, "Une autre page.")
    canvas.save()
    form = [("files", ("guide.pdf", drawn.getvalue()))]
    taken = await two.call("lyon/ana", "POST", f"collections/{slug}/documents", files=form)
    path = f"documents/{taken.json()[0]['id']}"
    await two.settled()
    document = (await two.call("lyon/ana", "GET", path)).json()
    assert document["state"] == "ready" and document["drawable"]
    assert [(page["number"], page["width"]) for page in document["pages"]] == [(1, 400), (2, 400)]
    start = document["text"].index("douze")
    [box] = (
        await two.call("lyon/ana", "GET", f"{path}/boxes?start={start}&end={start + 5}")
    ).json()
    assert box["page"] == 1 and 100 < box["left"] < box["right"] < 300
    assert 80 < box["top"] < box["bottom"] < 110
    image = await two.call("lyon/ana", "GET", f"{path}/pages/2.png?width=200")
    assert image.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(image.content)).size == (200, 150)
    for query, status in (
        ("pages/3.png", 404), ("pages/0.png", 404), ("pages/1.png?width=99999", 422),
        ("boxes?start=5&end=2", 422), ("boxes?start=0&end=999999", 422),
        ("boxes?start=0&end=1&version=2", 404),
    ):  # fmt: skip
        assert (await two.call("lyon/ana", "GET", f"{path}/{query}")).status_code == status, query


async def test_a_file_without_pages_is_not_said_to_be_unread(two: World) -> None:
    slug = await make(two, "lyon/ana")
    [received] = (await two.upload("lyon/ana", slug, note=b"un texte")).json()
    await two.settled()
    answer = await two.call("lyon/ana", "GET", f"documents/{received['id']}/pages/1.png")
    assert answer.status_code == 404
    assert "isn't read" not in answer.text and "read its text" in answer.text


async def test_documents_are_listed_page_by_page_and_searched_by_name(two: World) -> None:
    slug = await make(two, "lyon/ana")
    files = {f"note_{number}": f"texte {number}".encode() for number in range(7)}
    await two.upload("lyon/ana", slug, **files)
    await two.settled()
    seen: list[str] = []
    after = ""
    while True:
        page = (
            await two.call("lyon/ana", "GET", f"collections/{slug}/documents?limit=3{after}")
        ).json()
        seen += [document["name"] for document in page["documents"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [f"note_{number}.txt" for number in reversed(range(7))]
    for query, expected in (("note_3", 1), ("TE_3", 1), ("%", 0), ("te%3", 0), ("\\", 0)):
        page = await two.call(
            "lyon/ana", "GET", f"collections/{slug}/documents", params={"q": query}
        )
        assert len(page.json()["documents"]) == expected, query


@pytest.mark.parametrize("field", ["title", "description", "owner"])
async def test_what_the_database_cannot_hold_is_refused(two: World, field: str) -> None:
    body = {"title": "Notes", field: "a\0b"}
    answer = await two.call("lyon/ana", "POST", "collections", json=body)
    assert answer.status_code == 422 and field in answer.json()["detail"]


async def test_the_page_without_a_key_makes_what_it_can_see(
    database_url: str, tmp_path: Path
) -> None:
    async with world(database_url, tmp_path, anonymous=True) as town:
        made = await town.call(None, "POST", "collections", json={"title": "Notes"})
        assert made.status_code == 201 and made.json()["public"] is True
        for method, path in (("POST", "collections"), ("PATCH", "collections/notes")):
            answer = await town.call(None, method, path, json={"title": "Notes", "public": False})
            assert answer.json()["code"] == "collection_private"
