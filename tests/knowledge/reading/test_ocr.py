"""Recognition: real Tesseract on pages that are pictures."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageFilter

from chappe.knowledge.reading import images, pdf
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadDocument, ReadingError

from .pdf_samples import A4, SENTENCES, Canvas, drawn
from .test_pdf import consistent, lines_on, word_f1

LIMITS = Limits()
TEXT = " ".join(SENTENCES[:6])
LINES = list(SENTENCES[:6])


def tool(name: str) -> str:
    found = shutil.which(name)
    assert found, f"the tests of recognition need {name}: apt install tesseract-ocr-fra"
    return found


def picture(
    folder: Path, dpi: int = 200, draw: Callable[[Canvas], None] | None = None
) -> Image.Image:
    """A printed page, as a scanner gives it."""
    path = drawn(folder / "printed.pdf", draw or (lambda canvas: lines_on(canvas, LINES)))
    page = pypdfium2.PdfDocument(path)[0]
    return page.render(scale=dpi / 72, grayscale=True).to_pil().copy()


def scanned(folder: Path, *pictures: Image.Image, dpi: int = 200) -> Path:
    path = folder / "scan.pdf"
    first, *others = (image.convert("L") for image in pictures)
    first.save(path, save_all=True, append_images=others, resolution=dpi)
    return path


def read(path: Path, limits: Limits = LIMITS) -> ReadDocument:
    module = pdf if path.suffix == ".pdf" else images
    document = module.read(path, path.name, limits, path.parent).document
    assert document is not None
    consistent(document)
    return document


def test_a_scanned_page_is_recognised_with_its_places(tmp_path: Path) -> None:
    tool("tesseract")
    document = read(scanned(tmp_path, picture(tmp_path)))

    (page,) = document.pages
    assert page.text == "ocr" and page.confidence is not None and page.confidence > 0.85
    assert word_f1(TEXT.replace("’", "'"), document.text.replace("’", "'")) > 0.95
    place = document.text.index("parentale")
    (box,) = document.boxes.of(place, place + 9)
    # The first line stands at 700 points from the bottom, and this is its last word.
    assert box.top < A4[1] - 700 < box.bottom + 2
    assert 300 < box.left < box.right < 500
    assert not document.issues


def test_only_pages_without_text_are_recognised(tmp_path: Path) -> None:
    scan = pypdfium2.PdfDocument(scanned(tmp_path, picture(tmp_path)))
    text = pypdfium2.PdfDocument(tmp_path / "printed.pdf")
    text.import_pages(scan)
    text.new_page(300, 300)
    path = tmp_path / "mixed.pdf"
    text.save(path)

    document = read(path)

    assert [page.text for page in document.pages] == ["text", "ocr", "empty"]
    assert [page.confidence is None for page in document.pages] == [True, False, True]
    first, second, _ = document.pages
    assert "L’agent qui élève" in document.text[first.start : first.end]
    assert "élève seul son enfant" in document.text[second.start : second.end]


def test_a_picture_of_text_beside_text(tmp_path: Path) -> None:
    stamp = io.BytesIO()
    picture(tmp_path).crop((150, 300, 1400, 700)).save(stamp, "PNG")

    def page(canvas: Canvas) -> None:
        from reportlab.lib.utils import ImageReader

        lines_on(canvas, ["Note de service : voir le texte ci-dessous, qui fait foi."] * 4)
        canvas.drawImage(ImageReader(stamp), 72, 300, 450, 144)

    document = read(drawn(tmp_path / "mixed.pdf", page))

    assert document.pages[0].text == "mixed"
    assert document.text.startswith("Note de service")
    place = document.text.index("enfant")
    (box,) = document.boxes.of(place, place + 6)
    assert box.left >= 72 and box.right <= 522 and A4[1] - 444 <= box.top


@pytest.mark.parametrize(
    "turn",
    [
        90,
        pytest.param(180, marks=pytest.mark.slow),  # recognised twice, as 90 isn't
        pytest.param(270, marks=pytest.mark.slow),  # as 90
    ],
)
def test_a_page_on_its_side(tmp_path: Path, turn: int) -> None:
    upright = picture(tmp_path, 150, lambda canvas: lines_on(canvas, LINES * 3))
    path = tmp_path / "turned.png"
    upright.rotate(turn, expand=True).save(path, dpi=(150, 150))

    document = read(path)

    assert word_f1(" ".join(LINES * 3).replace("’", "'"), document.text.replace("’", "'")) > 0.9
    place = document.text.index("agent")
    (box,) = document.boxes.of(place, place + 5)
    turned = (box.bottom - box.top) > (box.right - box.left)
    assert turned == (turn != 180)


def test_a_page_laid_askew(tmp_path: Path) -> None:
    path = tmp_path / "askew.png"
    picture(tmp_path).rotate(2.5, expand=True, fillcolor=255).save(path, dpi=(200, 200))

    document = read(path)

    assert word_f1(TEXT.replace("’", "'"), document.text.replace("’", "'")) > 0.9


def test_low_confidence_is_told(tmp_path: Path) -> None:
    blurred = picture(tmp_path, 70).filter(ImageFilter.GaussianBlur(1.1))

    document = read(scanned(tmp_path, blurred, dpi=70))

    (issue,) = document.issues
    assert issue.code in ("low_confidence", "no_text") and issue.page == 1


def test_without_tesseract_nothing_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scanned(tmp_path, picture(tmp_path), picture(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    document = read(path)

    assert document.text == ""
    found = [(issue.code, issue.page, issue.loss) for issue in document.issues]
    assert found == [("ocr_missing", 1, True), ("ocr_missing", 2, True)]


def test_a_language_that_is_not_installed(tmp_path: Path) -> None:
    document = read(scanned(tmp_path, picture(tmp_path)), Limits(ocr_languages=("xyz", "fra")))
    (issue,) = document.issues
    assert issue.code == "ocr_language_missing" and issue.values["language"] == "xyz" and issue.loss


def test_a_font_that_does_not_say_its_letters_is_recognised(tmp_path: Path) -> None:
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    from .test_pdf import _font

    registerFont(TTFont("Liberation", _font("LiberationSerif-Regular")))

    def page(canvas: Canvas) -> None:
        canvas.setFont("Liberation", 12)
        for index, line in enumerate(LINES):
            canvas.drawString(60, 700 - 16 * index, line)

    path = drawn(tmp_path / "unmapped.pdf", page)
    data = path.read_bytes()
    assert b"/ToUnicode" in data
    path.write_bytes(data.replace(b"/ToUnicode", b"/NoUnicode"))

    document = read(path)

    assert document.pages[0].text == "ocr"
    assert word_f1(TEXT.replace("’", "'"), document.text.replace("’", "'")) > 0.95


@pytest.mark.parametrize(
    "suffix",
    # One path for all: the others differ in Pillow only.
    [
        "png",
        *(pytest.param(other, marks=pytest.mark.slow) for other in ("jpg", "webp", "bmp", "gif")),
    ],
)
def test_images(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"page.{suffix}"
    picture(tmp_path, 150, lambda canvas: lines_on(canvas, LINES[:1])).save(path)

    document = read(path)

    assert "congé de présence" in document.text
    assert document.pages[0].width == pytest.approx(A4[0], abs=3)
    assert images.draw(path, 1, 200, LIMITS).startswith(b"\x89PNG")


def test_a_tiff_of_two_pages(tmp_path: Path) -> None:
    pages = [
        picture(tmp_path, 150, lambda canvas, text=text: lines_on(canvas, [text]))
        for text in ("Première page du dossier.", "Seconde page du dossier.")
    ]
    path = tmp_path / "fax.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:], dpi=(150, 150))

    document = read(path)

    assert [document.text[page.start : page.end] for page in document.pages] == [
        "Première page du dossier.",
        "Seconde page du dossier.",
    ]


def test_an_image_without_text_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("L", (800, 800), 255).save(path)
    with pytest.raises(ReadingError) as caught:
        read(path)
    assert caught.value.code == "empty"


def test_an_image_of_more_pixels_than_allowed_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(path)
    assert path.stat().st_size < 100_000

    document = read(path)

    (issue,) = document.issues
    assert issue.code == "image_too_large" and issue.loss
