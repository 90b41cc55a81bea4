"""The administration page, in a real browser, over a running installation."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import support
from browser_support import violations

pytestmark = pytest.mark.browser

SECTIONS = ("live", "catalogue", "identity", "limits", "usage", "audit")


@pytest.fixture(scope="module")
def administered(
    tmp_path_factory: pytest.TempPathFactory, endpoint: support.ScriptedEndpoint
) -> Iterator[support.Running]:
    """An installation of these tests' own, since they change it; with the embedded encoder."""
    folder = tmp_path_factory.mktemp("administered")
    models = f"scripted={endpoint.url}"
    running = support.start(["serve", "--no-worker"], folder, CHAPPE_MODELS=models)
    try:
        running.wait_line("^ready ")
        scopes = ("search", "ask", "models", "manage", "operate")
        options = [part for scope in scopes for part in ("--scope", scope)]
        created = support.chappe("key", "create", "--name", "demo", *options, data_dir=folder)
        running.key = created.stdout.strip()
        yield running
    finally:
        running.stop()


def _opened(browser: Browser, administered: support.Running, key: str, width: int = 1280) -> Page:
    context = browser.new_context(
        locale="fr-FR", viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{administered.url}/#/admin")
    page.get_by_test_id("key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_test_id("section-limits").wait_for()
    return page


@pytest.fixture
def page(browser: Browser, administered: support.Running) -> Iterator[Page]:
    """The administration, opened with a key that may do everything."""
    opened = _opened(browser, administered, administered.key)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.context.close()
    assert not errors


def _go(page: Page, section: str) -> None:
    page.get_by_test_id(f"section-{section}").click()
    expect(page.get_by_test_id(f"section-{section}")).to_have_attribute("aria-current", "page")


def _button(place: Locator, name: str, of: str) -> Locator:
    return place.get_by_role("button", name=re.compile(f"^{name}.*{of}$"))


def _call(
    administered: support.Running, method: str, path: str, body: object = None
) -> tuple[int, bytes]:
    request = urllib.request.Request(
        administered.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {administered.key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return answer.status, answer.read()


def _used(administered: support.Running) -> str:
    """The name of a model that has accounts."""
    _, body = _call(administered, "GET", "/v1/models")
    name = next(m["id"] for m in json.loads(body)["data"] if "multilingual" in m["id"])
    _call(administered, "POST", "/v1/embeddings", {"model": name, "input": "bonjour"})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        _, body = _call(administered, "GET", "/api/admin/usage?outcome=completed")
        if any(line["groups"]["model"] == name for line in json.loads(body)["lines"]):
            return str(name)
        time.sleep(0.1)
    raise AssertionError("no account was written")


def test_the_live_section_shows_what_runs(page: Page, administered: support.Running) -> None:
    _, body = _call(administered, "GET", "/api/admin/live")
    for queue in json.loads(body)["queues"]:
        expect(page.get_by_test_id(f"queue-{queue['model']}")).to_contain_text("en service")
    expect(page.get_by_test_id("admin")).to_contain_text("joignable")
    page.get_by_test_id("pause").click()
    expect(page.get_by_test_id("pause")).to_have_attribute("aria-pressed", "true")
    assert violations(page) == []


def test_a_model_and_its_server_from_form_to_live(
    page: Page, administered: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    _go(page, "catalogue")
    page.get_by_test_id("add-model").click()
    form = page.get_by_test_id("form-model.")
    form.get_by_test_id("save").click()
    expect(form.get_by_label("Nom (obligatoire)")).to_be_focused()
    form.get_by_label("Nom (obligatoire)").fill("modele-a")
    page.reload()
    expect(form.get_by_label("Nom (obligatoire)")).to_have_value("modele-a")
    form.get_by_test_id("save").click()
    expect(page.get_by_test_id("result")).to_contain_text("modele-a")

    page.get_by_test_id("add-endpoint").click()
    form = page.get_by_test_id("form-endpoint.")
    form.get_by_label("Nom (obligatoire)").fill("serveur-a")
    form.get_by_label("Adresse (obligatoire)").fill(endpoint.url)
    form.get_by_label("Secret").fill("un-secret")
    form.get_by_label("Modèles servis").fill("absent = m")
    form.get_by_test_id("save").click()
    expect(form.get_by_test_id("error")).to_be_visible()
    expect(form.get_by_label("Secret")).to_have_value("un-secret")
    assert violations(page) == []
    form.get_by_label("Modèles servis").fill("modele-a = m")
    form.get_by_test_id("save").click()
    expect(page.get_by_test_id("result")).to_contain_text("serveur-a")
    endpoints = page.get_by_test_id("endpoints")
    expect(endpoints).to_contain_text(endpoint.url)
    assert "un-secret" not in page.content()

    _button(endpoints, "Tester", "serveur-a").click()
    expect(page.get_by_test_id("tested")).to_contain_text("répond")
    _go(page, "live")
    queue = page.get_by_test_id("queue-modele-a")
    drain = queue.get_by_test_id("drain-serveur-a")
    drain.click()
    expect(queue).to_contain_text("vidé")
    expect(drain).to_be_focused()
    drain.click()
    expect(queue).to_contain_text("en service")

    _go(page, "catalogue")
    _button(page.get_by_test_id("models"), "Supprimer", "modele-a").click()
    page.get_by_test_id("confirm-yes").click()
    expect(page.get_by_test_id("models").get_by_test_id("error")).to_contain_text("serveur-a")


def test_two_operators_change_the_same_model(page: Page, administered: support.Running) -> None:
    """The second is told, keeps what was typed, and goes on from what the first has saved."""
    spec = {"name": "modele-p", "context": 4096, "description": "un"}
    _call(administered, "PUT", "/api/admin/models/modele-p", spec)
    _go(page, "catalogue")
    models = page.get_by_test_id("models")
    _button(models, "Modifier", "modele-p").press("Enter")
    form = page.get_by_test_id("form-model.modele-p")
    form.get_by_label("Description").fill("deux")
    _call(administered, "PUT", "/api/admin/models/modele-p", spec | {"status": "deprecated"})
    form.get_by_test_id("save").press("Enter")
    expect(form.get_by_test_id("error")).to_contain_text("a changé entre-temps")
    conflict = form.get_by_test_id("conflict")
    expect(conflict.get_by_role("row")).to_have_count(2)
    expect(form.get_by_label("Description")).to_have_value("deux")
    assert violations(page) == []
    conflict.get_by_test_id("conflict-merge").press("Enter")
    expect(form.get_by_role("heading", level=4)).to_be_focused()
    expect(page.get_by_test_id("result")).to_contain_text("Version actuelle")
    expect(form.get_by_test_id("error")).to_be_hidden()
    assert violations(page) == []
    form.get_by_test_id("save").press("Enter")
    expect(form).to_be_hidden()
    _, body = _call(administered, "GET", "/api/admin/models/modele-p")
    saved = json.loads(body)
    assert (saved["description"], saved["status"]) == ("deux", "deprecated")

    # A list that was read before somebody's change removes nothing either.
    _button(models, "Supprimer", "modele-p").press("Enter")
    _call(administered, "PUT", "/api/admin/models/modele-p", spec | {"description": "trois"})
    page.get_by_test_id("confirm-yes").press("Enter")
    expect(models.get_by_test_id("error")).to_contain_text("a changé entre-temps")
    assert violations(page) == []

    # A name that is taken meanwhile isn't overwritten by a new model.
    page.get_by_test_id("add-model").press("Enter")
    form = page.get_by_test_id("form-model.")
    form.get_by_label("Nom (obligatoire)").fill("modele-p")
    form.get_by_test_id("save").press("Enter")
    expect(form.get_by_test_id("error")).to_contain_text("existe déjà")
    assert violations(page) == []
    form.get_by_role("button", name="Annuler").press("Enter")


def test_a_file_is_compared_then_applied_then_pruned(page: Page) -> None:
    _go(page, "catalogue")
    page.get_by_test_id("toml").fill('[[models]]\nname = "modele-b"\ncontext = "long"')
    page.get_by_test_id("compare").click()
    expect(page.get_by_test_id("file").get_by_test_id("error")).to_contain_text("context")
    page.get_by_test_id("toml").fill('[[models]]\nname = "modele-b"\ncontext = 4096')
    page.get_by_test_id("compare").click()
    expect(page.get_by_test_id("plan")).to_contain_text("modele-b")
    expect(page.get_by_test_id("models")).not_to_contain_text("modele-b")
    assert violations(page) == []
    page.get_by_test_id("apply").click()
    expect(page.get_by_test_id("models")).to_contain_text("modele-b")
    page.get_by_test_id("compare").click()
    expect(page.get_by_test_id("plan")).to_contain_text("déjà conforme")

    page.get_by_test_id("toml").fill('[[organisations]]\nslug = "univ-b"\nname = "Université B"')
    page.get_by_label("Supprimer ce que le fichier").check()
    page.get_by_test_id("compare").click()
    expect(page.get_by_test_id("plan")).to_contain_text("supprimé")
    page.get_by_test_id("apply").click()
    confirm = page.get_by_test_id("confirm")
    expect(confirm).to_contain_text("modele-b")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(confirm).to_be_hidden()
    expect(page.get_by_test_id("apply")).to_be_focused()
    expect(page.get_by_test_id("models")).to_contain_text("modele-b")
    page.keyboard.press("Enter")
    page.get_by_test_id("confirm-yes").click()
    expect(page.get_by_test_id("models")).not_to_contain_text("modele-b")


def test_a_key_is_made_shown_once_and_revoked(page: Page, administered: support.Running) -> None:
    _go(page, "identity")
    page.get_by_test_id("add-key").click()
    form = page.get_by_test_id("form-key.")
    form.get_by_label("Nom (obligatoire)").fill("poste-12")
    form.get_by_test_id("save").click()
    secret = page.get_by_test_id("new-secret").input_value()
    assert secret.startswith("chp_")
    assert violations(page) == []
    headers = {"authorization": f"Bearer {secret}"}
    assert page.request.get(f"{administered.url}/v1/models", headers=headers).ok
    page.get_by_test_id("secret-kept").click()
    assert secret not in page.content()
    _button(page.get_by_test_id("keys"), "Révoquer", "poste-12").click()
    page.get_by_test_id("confirm-yes").click()
    expect(page.get_by_test_id("result")).to_contain_text("Révoquée")
    assert page.request.get(f"{administered.url}/v1/models", headers=headers).status == 401


def test_an_organisation_gets_a_weight_and_a_limit(page: Page) -> None:
    _go(page, "identity")
    page.get_by_test_id("add-organisation").click()
    form = page.get_by_test_id("form-organisation.")
    form.get_by_label("Identifiant d’organisation").fill("univ-c")
    form.get_by_label("Poids").fill("2,5")
    form.get_by_test_id("save").click()
    expect(page.get_by_test_id("organisations").get_by_role("row", name="univ-c")).to_contain_text(
        "2,5"
    )

    _go(page, "limits")
    page.get_by_test_id("add-limit").click()
    form = page.get_by_test_id("form-limit.")
    form.get_by_label("Sujet").fill("organisation:univ-c")
    form.get_by_label("Quantité").fill("5 000")
    form.get_by_test_id("save").click()
    expect(form).to_be_hidden()
    row = page.get_by_test_id("limits").get_by_role("row", name="organisation:univ-c")
    expect(row).to_contain_text("chaque jour")
    _button(row, "Modifier", "jetons").click()
    page.get_by_label("Quantité").fill("6000")
    page.get_by_test_id("save").click()
    expect(row).to_contain_text(re.compile("6\\s000"))
    assert violations(page) == []
    _button(row, "Supprimer", "jetons").click()
    page.get_by_test_id("confirm-yes").click()
    expect(row).to_be_hidden()


def test_people_groups_and_what_a_group_is_granted(
    page: Page, administered: support.Running
) -> None:
    spec = {"name": "modele-g", "public": False}
    _call(administered, "PUT", "/api/admin/models/modele-g", spec)
    _go(page, "identity")
    groups, people = page.get_by_test_id("groups"), page.get_by_test_id("people")
    page.get_by_test_id("add-group").press("Enter")
    form = page.get_by_test_id("form-group.")
    form.get_by_test_id("save").press("Enter")
    expect(form.get_by_label("Identifiant de groupe (obligatoire)")).to_be_focused()
    assert violations(page) == []
    page.keyboard.type("etudes")
    page.keyboard.press("Enter")
    expect(groups.get_by_role("row", name="etudes")).to_be_visible()
    page.get_by_test_id("add-person").press("Enter")
    page.get_by_test_id("form-person.").get_by_label("Nom (obligatoire)").fill("Dupont, Ada")
    page.keyboard.press("Enter")
    row = people.get_by_role("row", name="Dupont, Ada")
    _button(row, "Modifier", "Dupont, Ada").press("Enter")
    box = people.get_by_role("checkbox", name="etudes")
    box.press("Space")
    assert violations(page) == []
    people.get_by_test_id("save").press("Enter")
    expect(row).to_contain_text("etudes")
    expect(people.get_by_role("heading", level=3)).to_be_focused()

    row = groups.get_by_role("row", name="etudes")
    expect(row).to_contain_text("Dupont, Ada")
    _button(row, "Modifier", "etudes").press("Enter")
    expect(groups.get_by_label("Identifiant de groupe (obligatoire)")).to_have_value("etudes")
    groups.get_by_role("checkbox", name="modele-g").press("Space")
    assert violations(page) == []
    groups.get_by_test_id("save").press("Enter")
    expect(row).to_contain_text("modele-g")
    _, body = _call(administered, "GET", "/api/admin/models")
    (model,) = [each for each in json.loads(body) if each["name"] == "modele-g"]
    assert model["grants"] == ["group:default/etudes"]
    _button(row, "Modifier", "etudes").click()
    groups.get_by_label("Identifiant de groupe (obligatoire)").fill("recherche")
    groups.get_by_test_id("save").click()
    row = groups.get_by_role("row", name="recherche")
    expect(row).to_contain_text("Dupont, Ada")
    expect(row).to_contain_text("modele-g")
    expect(people.get_by_role("row", name="Dupont, Ada")).to_contain_text("recherche")
    _button(row, "Modifier", "recherche").click()
    groups.get_by_role("checkbox", name="modele-g").uncheck()
    groups.get_by_test_id("save").click()
    expect(row).not_to_contain_text("modele-g")

    _button(row, "Supprimer", "recherche").press("Enter")
    page.get_by_test_id("confirm-yes").press("Enter")
    expect(groups).to_contain_text("Aucun groupe")
    expect(people.get_by_role("row", name="Dupont, Ada")).not_to_contain_text("recherche")
    assert violations(page) == []

    key = {"name": "cle-d-ada", "person": "Dupont, Ada", "scopes": ["models"]}
    _, body = _call(administered, "POST", "/api/admin/keys", key)
    headers = {"authorization": f"Bearer {json.loads(body)['key']}"}
    assert page.request.get(f"{administered.url}/v1/models", headers=headers).ok
    _button(people, "Supprimer", "Dupont, Ada").press("Enter")
    expect(page.get_by_test_id("confirm")).to_contain_text("révoquées")
    assert violations(page) == []
    page.get_by_test_id("confirm-yes").press("Enter")
    expect(people).to_contain_text("Aucune personne")
    expect(people.get_by_role("heading", level=3)).to_be_focused()
    assert page.request.get(f"{administered.url}/v1/models", headers=headers).status == 401


def test_accounts_are_shown_filtered_and_saved(
    page: Page, administered: support.Running, tmp_path: Path
) -> None:
    embedder = _used(administered)
    _go(page, "usage")
    table = page.get_by_test_id("usage-table")
    expect(table.get_by_role("row", name=embedder)).to_be_visible()
    expect(page.get_by_test_id("chart").get_by_role("img")).to_be_visible()
    assert violations(page) == []
    dates = page.get_by_label("Du (UTC)"), page.get_by_label("Au (inclus, UTC)")
    begin, end = dates[0].input_value(), dates[1].input_value()
    dates[0].fill("2999-01-02")
    error = page.get_by_test_id("usage").get_by_test_id("error")
    expect(error).to_contain_text("doit précéder")
    for date in dates:
        expect(date).to_have_attribute("aria-invalid", "true")
        expect(date).to_have_accessible_description(re.compile("doit précéder"))
    assert (dates[0].input_value(), dates[1].input_value()) == ("2999-01-02", end)
    assert violations(page) == []
    dates[0].fill(begin)
    expect(error).to_be_hidden()
    page.get_by_test_id("filter-outcome").select_option("timed_out")
    expect(table).to_contain_text("Aucune demande")
    page.get_by_test_id("filter-outcome").select_option("")
    page.get_by_test_id("filter-model").select_option(embedder)
    page.get_by_test_id("by").select_option("outcome")
    expect(table).to_contain_text("terminée")
    with page.expect_download() as download:
        page.get_by_test_id("download-usage.csv").click()
    saved = tmp_path / "usage.csv"
    download.value.save_as(saved)
    assert "completed" in saved.read_text()

    page.get_by_test_id("show-statement").click()
    expect(page.get_by_test_id("verified")).to_contain_text("Vérifié")
    expect(page.get_by_test_id("statement")).to_contain_text(embedder)
    assert violations(page) == []


def test_the_audit_log_tells_what_was_done_and_holds(
    page: Page, administered: support.Running
) -> None:
    spec = {"slug": "univ-d", "name": "Université D"}
    _call(administered, "PUT", "/api/admin/organisations/univ-d", spec)
    _go(page, "audit")
    act = page.get_by_test_id("filter-action")
    act.fill("organisation.putt")
    act.press("Enter")
    error = page.get_by_test_id("audit").get_by_test_id("error")
    expect(error).to_contain_text("organisation.putt")
    expect(act).to_have_value("organisation.putt")
    expect(act).to_have_attribute("aria-invalid", "true")
    assert violations(page) == []
    act.fill("organisation.put")
    act.press("Enter")
    expect(error).to_be_hidden()
    table = page.get_by_test_id("audit-table")
    expect(table).to_contain_text("univ-d")
    expect(table.get_by_role("row", name="univ-d")).to_contain_text("demo")
    table.get_by_text("Voir").first.click()
    expect(table).to_contain_text("Université D")
    page.get_by_test_id("filter-outcome").select_option("refused")
    expect(table).to_contain_text("Aucun acte")
    page.get_by_test_id("verify").click()
    expect(page.get_by_test_id("verdict")).to_contain_text("intact")
    assert violations(page) == []


def test_a_key_that_manages_sees_its_organisation_only(
    browser: Browser, administered: support.Running
) -> None:
    _call(administered, "PUT", "/api/admin/organisations/univ-e", {"slug": "univ-e"})
    spec = {"name": "gestion", "organisation": "univ-e", "scopes": ["models", "manage"]}
    _, body = _call(administered, "POST", "/api/admin/keys", spec)
    page = _opened(browser, administered, json.loads(body)["key"])
    expect(page.get_by_test_id("section-live")).to_be_hidden()
    expect(page.get_by_test_id("section-catalogue")).to_be_hidden()
    keys = page.get_by_test_id("keys")
    expect(keys).to_contain_text("gestion")
    expect(keys).not_to_contain_text("demo")
    expect(page.get_by_test_id("add-organisation")).to_be_hidden()
    expect(page.get_by_test_id("add-group")).to_be_visible()
    expect(page.get_by_test_id("people")).not_to_contain_text("Dupont")
    for section in ("identity", "limits", "usage", "audit"):
        _go(page, section)
        expect(page.get_by_test_id("error")).to_be_hidden()
    expect(page.get_by_test_id("audit-table")).not_to_contain_text("univ-d")
    page.context.close()


@pytest.mark.parametrize("width", [360, 640])
def test_no_section_scrolls_sideways(
    browser: Browser, administered: support.Running, width: int
) -> None:
    """360 pixels is a small telephone; 640 is 1280 at 200 % zoom."""
    limit = {"subject": "installation", "measure": "requests", "period": "month", "amount": 1e6}
    _call(administered, "PUT", "/api/admin/limits", limit)
    _call(administered, "PUT", "/api/admin/models/modele-c", {"name": "modele-c"})
    _call(administered, "PUT", "/api/admin/organisations/univ-f", {"slug": "univ-f"})
    _used(administered)
    page = _opened(browser, administered, administered.key, width)
    for section in SECTIONS:
        _go(page, section)
        expect(page.get_by_test_id("admin").locator("table").first, section).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    page.context.close()


def test_sections_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.dataset.testid") == "section-usage":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2)).to_be_focused()
    expect(page.get_by_role("heading", level=2)).to_have_text("Comptes")
    assert page.title().startswith("Comptes")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)


def test_the_screenshot_script_works(
    browser: Browser, administered: support.Running, tmp_path: Path
) -> None:
    from screenshots import take_admin

    take_admin(browser, administered.url, administered.key, tmp_path)
    assert (tmp_path / "admin.png").stat().st_size > 10_000
