"""A document dropped on the page, read, asked about, and the passage seen on its page."""

import io
import urllib.request
from collections.abc import Iterator

import pypdfium2
import pytest
from playwright.sync_api import Page, expect
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

import support
from browser_support import violations

pytestmark = pytest.mark.browser

TITLE = "Cantine de l'école"
QUESTION = "Quel est le prix du repas à la cantine scolaire ?"
PRICE = "Le prix du repas est fixé à 3,45 euros pour tous les enfants."


def scan() -> bytes:
    """A page of regulations as a scanner gives it: an image and no text."""
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=A4)
    canvas.setFont("Helvetica", 20)
    canvas.drawString(60, 760, "Règlement de la cantine")
    canvas.setFont("Helvetica", 12)
    for at, text in enumerate(
        (
            "L'inscription à la cantine scolaire se fait en mairie avant le 15 juin.",
            PRICE,
            "Les absences sont signalées la veille avant midi.",
        )
    ):
        canvas.drawString(60, 720 - 40 * at, text)
    canvas.save()
    image = pypdfium2.PdfDocument(written.getvalue())[0].render(scale=200 / 72).to_pil()
    scanned = io.BytesIO()
    image.convert("L").save(scanned, "PDF", resolution=200)
    return scanned.getvalue()


@pytest.fixture
def emptied(scripted: support.Running) -> Iterator[support.Running]:
    """The installation, without the collection of the test once it is over."""
    yield scripted
    address = f"{scripted.url}/api/collections/cantine-de-l-ecole"
    urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=20).close()


def test_a_scanned_document_is_asked_about_and_seen_on_its_page(
    page: Page, emptied: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    page.goto(f"{emptied.url}/#/collections")
    page.get_by_test_id("add-collection").click()
    page.locator("input[name=title]").fill(TITLE)
    assert violations(page) == []
    page.get_by_test_id("save-collection").click()
    expect(page.get_by_role("heading", name=TITLE, exact=True)).to_be_visible()

    page.get_by_test_id("files").set_input_files(
        [
            {"name": "cantine.pdf", "mimeType": "application/pdf", "buffer": scan()},
            {"name": "abîmé.docx", "mimeType": "application/octet-stream", "buffer": b"PK\3\4 non"},
        ]
    )
    rows = page.get_by_test_id("document-list").get_by_role("row")
    scanned, broken = rows.filter(has_text="antine"), rows.filter(has_text="abîmé")
    expect(scanned.get_by_test_id("document-state")).to_have_text("Prêt", timeout=60_000)
    expect(broken.get_by_test_id("document-state")).to_have_text("Échec", timeout=60_000)
    assert violations(page) == []

    scanned.get_by_role("link").click()
    expect(page.get_by_test_id("page-view").get_by_role("img")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("3,45 euros")
    assert violations(page) == []

    endpoint.script = [PRICE[:-1], " [1]."]
    page.goto(f"{emptied.url}/#/")
    page.get_by_test_id("where").locator("summary").click()
    page.get_by_test_id("where").get_by_label(TITLE).check()
    page.get_by_test_id("question").fill(QUESTION)
    page.get_by_test_id("send").click()
    page.get_by_test_id("citation").first.click()
    page.get_by_test_id("tab-page").click()
    mark = page.get_by_test_id("page-mark").first
    expect(mark).to_be_visible()
    sheet = page.locator(".page-view__sheet").bounding_box()
    drawn = mark.bounding_box()
    assert sheet and drawn
    # The sentence is the second of three in the upper part of the page, and nearly its width.
    assert 0.05 < (drawn["y"] - sheet["y"]) / sheet["height"] < 0.35
    assert drawn["width"] > 0.4 * sheet["width"]
    assert violations(page) == []


def test_the_list_and_a_collection_fit_a_phone(page: Page, scripted: support.Running) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for place in ("collections", "collections/fiches-particuliers"):
        page.goto(f"{scripted.url}/#/{place}")
        expect(page.get_by_role("table").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, place
