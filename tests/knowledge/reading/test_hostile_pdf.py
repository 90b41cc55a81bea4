"""PDFs and images made to harm: a clear refusal, or what can be read of them, and the next file."""

import random
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from chappe.core.i18n import translate
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.process import Reader

from .pdf_samples import SENTENCES, drawn
from .test_pdf import consistent, lines_on
from .test_process import raw_pdf

LIMITS = Limits(seconds=30.0, memory_bytes=400 << 20, image_pixels=20_000_000)
SHOW = b"BT /F1 12 Tf 50 250 Td (Bonjour) Tj ET"


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    async with Reader() as one:
        yield one


async def outcome(reader: Reader, path: Path, limits: Limits = LIMITS) -> str | ReadResult:
    """What a file gives: a result that holds together, or a code that has its sentence."""
    folder = path.parent / "out"
    folder.mkdir(exist_ok=True)
    try:
        result = await reader.read(path, path.name, limits, folder)
    except ReadingError as error:
        for language in ("fr", "en"):
            assert translate(f"reading.{error.code}", language, **error.values)
        outcome: str | ReadResult = error.code
    else:
        if result.document is not None:
            consistent(result.document)
        outcome = result
    assert reader.last is not None and reader.last.peak_bytes < 1.3 * limits.memory_bytes
    return outcome


def text_of(result: str | ReadResult) -> str:
    assert isinstance(result, ReadResult) and result.document is not None, result
    return result.document.text


def objects(path: Path, *bodies: bytes) -> Path:
    """A PDF of these objects, without a table: PDFium rebuilds it."""
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % item for item in enumerate(bodies, 1))
    path.write_bytes(b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF")
    return path


def stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), extra, data)


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
FONT = b"/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 500] /Contents 4 0 R"
PAGE += b" /Resources << %s /XObject << /X 5 0 R >> >> >>" % FONT


async def test_a_page_count_that_lies(reader: Reader, tmp_path: Path) -> None:
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>"
    path = objects(tmp_path / "a.pdf", CATALOG, pages, PAGE, stream(SHOW), stream(b""))
    found = await outcome(reader, path)
    assert found == "too_many_pages" or "Bonjour" in text_of(found)


async def test_pages_that_hold_themselves(reader: Reader, tmp_path: Path) -> None:
    pages = b"<< /Type /Pages /Kids [2 0 R 2 0 R 3 0 R] /Count 3 /Parent 2 0 R >>"
    path = objects(tmp_path / "a.pdf", CATALOG, pages, PAGE, stream(SHOW), stream(b""))
    assert isinstance(await outcome(reader, path), (str, ReadResult))


async def test_an_image_that_draws_itself(reader: Reader, tmp_path: Path) -> None:
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 500 500] "
    form += b"/Resources << /XObject << /X 5 0 R >> >>"
    content = stream(SHOW + b" q /X Do Q")
    path = objects(tmp_path / "a.pdf", CATALOG, PAGES, PAGE, content, stream(b"/X Do /X Do", form))
    found = await outcome(reader, path)
    assert found == "too_much_memory" or "Bonjour" in text_of(found)


async def test_forms_that_draw_forms_by_the_billion(reader: Reader, tmp_path: Path) -> None:
    count, bodies = 12, []
    for level in range(count):
        form = b"/Type /XObject /Subtype /Form /BBox [0 0 500 500] "
        form += b"/Resources << /XObject << /X %d 0 R >> >>" % (6 + level)
        bodies.append(stream(b"/X Do " * 10, form))
    bodies.append(stream(b"0 0 1 1 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 500 500]"))
    content = stream(SHOW + b" /X Do")
    path = objects(tmp_path / "a.pdf", CATALOG, PAGES, PAGE, content, *bodies)
    found = await outcome(reader, path, replace(LIMITS, seconds=3.0, seconds_per_page=0.0))
    assert found in ("too_slow", "too_much_memory", "crashed") or "Bonjour" in text_of(found)


@pytest.mark.parametrize(
    "box", ["0 0 1e9 1e9", "0 0 1e30 2", "0 0 0 0", "-1e9 0 1e9 10", "nan nan nan nan"]
)
async def test_absurd_page_boxes(reader: Reader, tmp_path: Path, box: str) -> None:
    path = raw_pdf(tmp_path / "a.pdf", b"BT /F1 12 Tf 1 1 1 rg 5 5 Td (Bonjour) Tj ET", box)
    found = await outcome(reader, path)
    assert found == "empty" or "Bonjour" in text_of(found)
    try:
        assert (await reader.render(path, 1, 500, LIMITS)).startswith(b"\x89PNG")
    except ReadingError as error:
        assert error.code == "broken"


async def test_arrays_nested_without_end(reader: Reader, tmp_path: Path) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    page = PAGE[:-3] + b" /Deep " + deep + b" >>"
    path = objects(tmp_path / "a.pdf", CATALOG, PAGES, page, stream(SHOW), stream(b""))
    assert isinstance(await outcome(reader, path), (str, ReadResult))


async def test_a_stream_that_unpacks_into_gigabytes(reader: Reader, tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(600)) + packer.flush()
    content = stream(zlib.compress(packed, 9), b"/Filter [/FlateDecode /FlateDecode]")
    path = objects(tmp_path / "a.pdf", CATALOG, PAGES, PAGE, content, stream(b""))
    assert path.stat().st_size < 100_000
    found = await outcome(reader, path, replace(LIMITS, seconds=2.0))
    assert found in ("too_much_memory", "crashed", "too_slow", "empty", "broken")


async def test_an_image_of_a_hundred_thousand_pixels_a_side(reader: Reader, tmp_path: Path) -> None:
    image = b"/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /BitsPerComponent 8 "
    image += b"/ColorSpace /DeviceRGB /Filter /FlateDecode"
    content = stream(SHOW + b" q 400 0 0 200 50 20 cm /X Do Q")
    pixels = stream(zlib.compress(bytes(3_000_000)), image)
    path = objects(tmp_path / "a.pdf", CATALOG, PAGES, PAGE, content, pixels)
    found = await outcome(reader, path)
    assert found in ("too_much_memory", "crashed") or "Bonjour" in text_of(found)


async def test_javascript_is_told_and_does_not_run(reader: Reader, tmp_path: Path) -> None:
    script = b"<< /S /JavaScript /JS (app.launchURL\\('http://127.0.0.1:9/'\\);) >>"
    catalog = b"<< /Type /Catalog /Pages 2 0 R /OpenAction %s " % script
    catalog += b"/Names << /JavaScript << /Names [(a) %s] >> >> >>" % script
    path = objects(tmp_path / "a.pdf", catalog, PAGES, PAGE, stream(SHOW), stream(b""))
    found = await outcome(reader, path)
    assert text_of(found) == "Bonjour"
    assert isinstance(found, ReadResult) and found.document is not None
    assert [issue.code for issue in found.document.issues] == ["scripts_ignored"]


async def test_cut_and_scrambled_files(reader: Reader, tmp_path: Path) -> None:
    path = drawn(
        tmp_path / "whole.pdf", *(lambda c: lines_on(c, list(SENTENCES)) for _ in range(3))
    )
    whole = path.read_bytes()
    chance = random.Random(4)
    for number in range(25):
        data = bytearray(whole)
        if number % 2:
            del data[chance.randrange(20, len(data)) :]
        else:
            for _ in range(chance.randrange(1, 60)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        (broken := tmp_path / f"{number}.pdf").write_bytes(data)
        assert isinstance(await outcome(reader, broken), (str, ReadResult))
    assert "congé" in text_of(await outcome(reader, path))


async def test_an_image_of_too_many_pixels(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (9_000, 9_000)).save(path)
    assert path.stat().st_size < 1_000_000
    found = await outcome(reader, path)
    assert isinstance(found, ReadResult) and found.document is not None
    (issue,) = found.document.issues
    assert issue.code == "image_too_large" and issue.loss
    with pytest.raises(ReadingError) as caught:
        await reader.render(path, 1, 300, LIMITS)
    assert caught.value.code == "bomb"
