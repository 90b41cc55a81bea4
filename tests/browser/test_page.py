"""The page, in a real browser, over running installations."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import support
from browser_support import violations

pytestmark = pytest.mark.browser

QUESTION = "Quelles pièces faut-il pour refaire sa carte d'identité ?"


def lines(scripted: support.Running) -> list[str]:
    """Long lines of the first passage found for the question."""
    import urllib.request

    request = urllib.request.Request(
        f"{scripted.url}/api/search",
        data=json.dumps({"query": QUESTION, "limit": 1}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        text = json.load(answer)["hits"][0]["passage"]["text"]
    return [line.rstrip(".") for line in text.splitlines() if len(line) > 40]


def ask(page: Page, running: support.Running, question: str = QUESTION) -> None:
    page.goto(running.url)
    page.get_by_test_id("question").fill(question)
    page.get_by_test_id("send").click()


def test_a_question_an_answer_and_its_source(
    page: Page, scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    quoted = lines(scripted)[0]
    endpoint.script = [f"La fiche dit : « {quoted} » ", "[1].", " Le prix est de 9 999 euros."]
    ask(page, scripted)
    citation = page.get_by_test_id("citation").first
    expect(citation).to_be_visible()
    expect(page.get_by_test_id("answer")).to_contain_text("non étayé")
    assert violations(page) == []

    citation.click()
    panel = page.get_by_test_id("source-panel")
    expect(panel).to_be_visible()
    marks = page.get_by_test_id("source-highlight")
    expect(marks.first).to_be_visible()
    assert quoted in " ".join(marks.all_inner_texts()).replace("\u00a0", " ")
    expect(panel).to_contain_text(re.compile("20[12][0-9]"))
    link = panel.get_by_role("link").first
    assert str(link.get_attribute("href")).startswith("https://www.service-public.fr/")
    assert violations(page) == []

    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(citation).to_be_focused()


# A whole answer of the embedded model takes most of a minute; test_api.py waits for one.
@pytest.mark.slow
def test_the_weak_model_is_said_to_be_unsupported(page: Page, demo: support.Running) -> None:
    ask(page, demo)
    page.set_default_timeout(90_000)
    done = page.get_by_test_id("extract").or_(page.get_by_test_id("citation"))
    expect(done.first).to_be_visible(timeout=90_000)
    if page.get_by_test_id("extract").count():
        expect(page.get_by_test_id("answer")).to_contain_text("étayée")
        page.get_by_test_id("extract").first.get_by_role("button").click()
        expect(page.get_by_test_id("source-highlight").first).to_be_visible()
    assert violations(page) == []


def test_stopping_an_answer(
    page: Page, scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "slow"
    endpoint.closed_early.clear()
    ask(page, scripted)
    expect(page.get_by_test_id("answer")).to_contain_text("mot mot")
    page.get_by_test_id("stop").click()
    assert endpoint.closed_early.wait(3)
    expect(page.get_by_test_id("stop")).to_be_hidden()
    expect(page.get_by_test_id("answer")).to_contain_text("mot mot")


def test_keyboard_alone(
    page: Page, scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = [f"La fiche dit : « {lines(scripted)[0]} » [1]."]
    page.goto(scripted.url)
    page.keyboard.press("Tab")
    assert "contenu" in page.evaluate("document.activeElement.textContent").lower()
    for _ in range(12):
        if page.evaluate("document.activeElement.dataset.testid") == "question":
            break
        page.keyboard.press("Tab")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("citation").first).to_be_visible()
    for _ in range(30):
        if page.evaluate("document.activeElement.dataset.testid") == "citation":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("source-panel")).to_be_visible()
    assert page.evaluate(
        "document.querySelector('[data-testid=source-panel]').contains(document.activeElement)"
    )
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.testid") == "citation"


def test_nothing_typed_is_lost(
    page: Page, scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    page.goto(scripted.url)
    page.get_by_test_id("question").fill("une phrase longue à taper")
    page.reload()
    expect(page.get_by_test_id("question")).to_have_value("une phrase longue à taper")
    page.route("**/api/ask", lambda route: route.abort())
    page.get_by_test_id("send").click()
    expect(page.get_by_test_id("error").first).to_be_visible()
    expect(page.get_by_test_id("question")).to_have_value("une phrase longue à taper")
    assert violations(page) == []


def test_an_engine_that_fails_is_explained(
    page: Page, scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "error"
    ask(page, scripted)
    expect(page.get_by_test_id("error").first).to_be_visible()
    expect(page.get_by_test_id("extract").first).to_be_visible()


def test_a_connection_that_is_cut_is_said(
    page: Page, scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "cut"
    ask(page, scripted)
    expect(page.get_by_test_id("error").first).to_be_visible()


def test_what_the_model_writes_is_never_markup(
    page: Page, scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = ["<img src=x onerror=\"document.title='pwned'\"> <script>1</script> [1]."]
    ask(page, scripted)
    expect(page.get_by_test_id("extract").first).to_be_visible()
    assert page.title() != "pwned"
    assert page.locator("[data-testid=answer] img, [data-testid=answer] script").count() == 0


@pytest.mark.parametrize(("width", "height"), [(360, 740), (640, 400)])
def test_small_screens_do_not_scroll_sideways(
    browser: Browser,
    scripted: support.Running,
    endpoint: support.ScriptedEndpoint,
    width: int,
    height: int,
) -> None:
    """360 pixels is a small telephone; 640 is 1280 at 200 % zoom."""
    endpoint.script = [f"La fiche dit : « {lines(scripted)[0]} » [1]."]
    context = browser.new_context(
        locale="fr-FR", viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    page = context.new_page()
    ask(page, scripted)
    page.get_by_test_id("citation").first.click()
    expect(page.get_by_test_id("source-highlight").first).to_be_visible()
    for _ in range(2):
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        page.keyboard.press("Escape")
    context.close()


def test_english(page: Page, scripted: support.Running) -> None:
    page.goto(scripted.url)
    page.get_by_role("button", name=re.compile("english", re.I)).or_(
        page.get_by_label(re.compile("english", re.I))
    ).first.click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_screenshot_script_works(
    browser: Browser,
    scripted: support.Running,
    endpoint: support.ScriptedEndpoint,
    tmp_path: Path,
) -> None:
    from screenshots import take

    endpoint.script = [f"La fiche dit : « {lines(scripted)[0]} » [1]."]
    take(browser, scripted.url, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"page.png", "page-phone.png"}
