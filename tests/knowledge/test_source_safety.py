"""What sources must not let happen: changes by strangers, and reading beside what was opened."""

from pathlib import Path

from knowledge.collection_world import world
from knowledge.test_source_routes import put, run

WEB = {"spec": {"kind": "web", "url": "https://exemple.invalid/"}}


async def test_without_a_key_sources_are_changed_on_a_loopback_address_only(
    database_url: str, tmp_path: Path
) -> None:
    async with world(database_url, tmp_path, anonymous=True, host="0.0.0.0") as town:
        made = await town.call(
            "operator",
            "POST",
            "collections",
            json={"title": "Ville", "owner": "installation", "public": True},
        )
        assert made.status_code == 201, made.text
        put_there = await town.call("operator", "POST", "collections/ville/sources", json=WEB)
        source = put_there.json()["id"]
        for method, path, more in (
            ("GET", "sources", {}),
            ("GET", "collections/ville/sources", {}),
            ("POST", "collections/ville/sources", {"json": WEB}),
            ("GET", f"sources/{source}", {}),
            ("PATCH", f"sources/{source}", {"json": {"enabled": False}}),
            ("POST", f"sources/{source}/sync", {}),
            ("DELETE", f"sources/{source}", {}),
        ):
            answer = await town.call(None, method, path, **more)
            assert answer.status_code == 401, (method, path, answer.text)


async def test_a_folder_that_was_opened_may_not_become_a_link_elsewhere(
    database_url: str, tmp_path: Path
) -> None:
    shares, secrets = tmp_path / "shares", tmp_path / "secrets"
    put(shares / "notes", "oie.txt", "L'oie cendrée broute.")
    put(secrets, "secret.txt", "Le mot de passe est héron.")
    async with world(database_url, tmp_path / "data", source_folders=[shares]) as town:
        await town.call("lyon/ana", "POST", "collections", json={"title": "Notes"})
        spec = {"kind": "folder", "path": str(shares / "notes")}
        made = await town.call("lyon/ana", "POST", "collections/notes/sources", json={"spec": spec})
        source = made.json()["id"]
        (shares / "notes").rename(shares / "before")
        (shares / "notes").symlink_to(secrets)
        view = await run(town, source)
        assert view["last"]["state"] == "failed"
        assert view["last"]["detail"]["reason"]["code"] == "errors.source_folder"
        assert await town.found("lyon/ana", "mot de passe héron") == []


async def test_a_page_of_another_site_changes_nothing(database_url: str, tmp_path: Path) -> None:
    # A browser sends a form to this machine for any page that is open in it.
    async with world(database_url, tmp_path, anonymous=True) as town:
        await town.call(None, "POST", "collections", json={"title": "Ville"})
        form = [("files", ("a.txt", b"Le badge est gratuit."))]
        statuses = {}
        for site in ("cross-site", "same-site", "same-origin", "none"):
            answer = await town.call(
                None,
                "POST",
                "collections/ville/documents",
                files=form,
                headers={"sec-fetch-site": site},
            )
            statuses[site] = answer.status_code
        assert statuses == {"cross-site": 401, "same-site": 401, "same-origin": 202, "none": 202}
