"""The reading process: what it gives, and what it survives."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from chappe.core.i18n import translate
from chappe.knowledge.reading import exchange, process
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Member, ReadingError
from chappe.knowledge.reading.process import Reader

from .pdf_samples import drawn

QUICK = Limits(seconds=30.0)


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    async with Reader() as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


def note(tmp_path: Path, text: str = "Le préfet décide.", name: str = "note.txt") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def endless(path: Path) -> Path:
    """A page that takes minutes: as many crossing strokes as a megabyte holds."""
    line = b"0 0 m 500 500 500 0 0 500 c 500 0 l 0 0 500 0 500 500 c b*\n"
    content = b"q 0.001 w [0.01 0.01] 0 d\n" + line * 60_000 + b"Q"
    return raw_pdf(path, content + b" BT /F1 12 Tf 1 1 1 rg 50 50 Td (x) Tj ET")


def raw_pdf(path: Path, content: bytes, box: str = "0 0 500 500") -> Path:
    """A PDF of one page with this content."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R /Resources << /Font << "
        "/F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    data += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        len(objects) + 1,
        start,
    )
    path.write_bytes(data)
    return path


async def refused(reader: Reader, path: Path, folder: Path, limits: Limits = QUICK) -> str:
    """The code with which a file is refused; its sentence exists in both languages."""
    with pytest.raises(ReadingError) as caught:
        await reader.read(path, path.name, limits, folder)
    for language in ("fr", "en"):
        assert translate(f"reading.{caught.value.code}", language, **caught.value.values)
    return caught.value.code


async def reads(reader: Reader, tmp_path: Path, folder: Path) -> None:
    """The reader is well: it reads the next file."""
    result = await reader.read(note(tmp_path), "note.txt", QUICK, folder)
    assert result.document is not None and result.document.text == "Le préfet décide."
    assert not os.listdir(folder)


async def test_a_text_and_a_pdf(reader: Reader, tmp_path: Path, folder: Path) -> None:
    await reads(reader, tmp_path, folder)
    path = drawn(tmp_path / "a.pdf", lambda canvas: canvas.drawString(72, 700, "Bonjour à tous"))

    result = await reader.read(path, "a.pdf", QUICK, folder)

    assert result.document is not None and result.document.text == "Bonjour à tous"
    (box,) = result.document.boxes.of(0, 3)
    assert box.page == 1 and 71 < box.left < 73
    assert (await reader.render(path, 1, 300, QUICK)).startswith(b"\x89PNG")


async def test_once_without_a_reader_that_is_kept(tmp_path: Path, folder: Path) -> None:
    result = await process.read(note(tmp_path), "note.txt", QUICK, folder)
    assert result.document is not None and result.document.title == "note"


async def test_a_wrong_name_is_read_by_its_content(
    reader: Reader, tmp_path: Path, folder: Path
) -> None:
    path = drawn(tmp_path / "a.docx", lambda canvas: canvas.drawString(72, 700, "Bonjour"))

    result = await reader.read(path, "a.docx", QUICK, folder)

    assert result.document is not None and result.document.media_type == "application/pdf"
    (issue,) = result.document.issues
    assert issue.code == "wrong_extension" and not issue.loss
    assert "«\u00a0.docx\u00a0»" in translate("reading.wrong_extension", "fr", **issue.values)


async def test_what_is_refused(reader: Reader, tmp_path: Path, folder: Path) -> None:
    cases = {
        "vide.txt": (b"", "empty"),
        "blanc.txt": (b" \n\n ", "empty"),
        "bruit.pdf": (b"%PDF-1.4\n" + os.urandom(4000), "broken"),
        "bruit.bin": (bytes(range(256)) * 20, "unsupported"),
        "programme.txt": (b"\x7fELF" + bytes(500), "unsupported"),
        "image.png": (b"\x89PNG\r\n\x1a\n" + os.urandom(300), "broken"),
    }
    for name, (data, code) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert await refused(reader, path, folder) == code, name
    await reads(reader, tmp_path, folder)


async def test_a_file_larger_than_allowed(reader: Reader, tmp_path: Path, folder: Path) -> None:
    path = note(tmp_path, "a" * 3_000_000)
    limits = replace(QUICK, file_bytes=1 << 20)
    assert await refused(reader, path, folder, limits) == "too_large"


async def test_more_pages_than_allowed(reader: Reader, tmp_path: Path, folder: Path) -> None:
    path = drawn(tmp_path / "a.pdf", *(lambda canvas: None for _ in range(5)))
    assert await refused(reader, path, folder, replace(QUICK, pages=4)) == "too_many_pages"


async def test_what_takes_too_long_is_stopped(reader: Reader, tmp_path: Path, folder: Path) -> None:
    path = endless(tmp_path / "sans-fin.pdf")
    began = time.monotonic()

    code = await refused(reader, path, folder, replace(QUICK, seconds=1.0, seconds_per_page=0.0))

    assert code == "too_slow"
    assert time.monotonic() - began < 20
    await reads(reader, tmp_path, folder)


async def test_what_takes_too_much_memory_is_stopped(
    reader: Reader, tmp_path: Path, folder: Path
) -> None:
    path = note(tmp_path, "Un mot de plus. " * 3_000_000)
    limits = replace(QUICK, memory_bytes=60 << 20, text_chars=100_000_000)
    assert await refused(reader, path, folder, limits) == "too_much_memory"
    await reads(reader, tmp_path, folder)


async def test_the_child_killed_in_the_middle(reader: Reader, tmp_path: Path, folder: Path) -> None:
    path = endless(tmp_path / "sans-fin.pdf")
    await reads(reader, tmp_path, folder)
    server = children(os.getpid(), "reading.worker")[0]
    reading = asyncio.create_task(refused(reader, path, folder))
    os.kill(await child_of(server), signal.SIGSEGV)

    assert await reading == "crashed"
    await reads(reader, tmp_path, folder)
    assert children(os.getpid(), "reading.worker") == [server]


async def test_the_reading_process_killed_in_the_middle(
    reader: Reader, tmp_path: Path, folder: Path
) -> None:
    path = endless(tmp_path / "sans-fin.pdf")
    await reads(reader, tmp_path, folder)
    server = children(os.getpid(), "reading.worker")[0]
    reading = asyncio.create_task(refused(reader, path, folder))
    child = await child_of(server)
    os.kill(server, signal.SIGKILL)

    assert await reading == "crashed"
    await gone(child)
    await reads(reader, tmp_path, folder)


async def test_giving_up_stops_the_work(reader: Reader, tmp_path: Path, folder: Path) -> None:
    path = endless(tmp_path / "sans-fin.pdf")
    reading = asyncio.create_task(reader.read(path, path.name, QUICK, folder))
    child = await child_of(await child_of(os.getpid(), "reading.worker"))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    await gone(child)
    await reads(reader, tmp_path, folder)


def test_nothing_is_left_when_we_are_killed(tmp_path: Path) -> None:
    endless(tmp_path / "sans-fin.pdf")
    program = textwrap.dedent(
        f"""
        import asyncio, pathlib
        from chappe.knowledge.reading import process
        from chappe.knowledge.reading.limits import Limits
        path = pathlib.Path({str(tmp_path)!r})
        asyncio.run(process.read(path / "sans-fin.pdf", "sans-fin.pdf", Limits(), path))
        """
    )
    us = subprocess.Popen([sys.executable, "-c", program])
    while not (servers := children(us.pid)) or not children(servers[0]):
        time.sleep(0.02)
        assert us.poll() is None
    left = [*servers, *children(servers[0])]
    us.kill()
    us.wait()
    asyncio.run(all_gone(left))


def test_the_child_has_no_network_and_few_rights() -> None:
    allowed = [subprocess.run(["unshare", *how, "true"]).returncode for how in (["-n"], ["-Un"])]
    if all(allowed):
        pytest.skip("this system gives no network namespaces")
    program = textwrap.dedent(
        """
        import resource, socket
        from chappe.knowledge.reading import confinement
        from chappe.knowledge.reading.limits import Limits
        confinement.confine(Limits())
        print(len(socket.if_nameindex()), "NoNewPrivs:\\t1" in open("/proc/self/status").read())
        print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
        """
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert output[0] == "1 True"  # the loopback of an empty network, down
    assert output[1] == "(0, 0) (256, 256)"


@pytest.mark.parametrize(
    "answer",
    [
        b"not msgpack at all",
        exchange.msgspec.msgpack.encode({"document": {"title": 3}}),
        exchange.msgspec.msgpack.encode({"members": [{"name": "passwd", "path": "/etc/passwd"}]}),
    ],
)
def test_an_answer_that_was_tampered_with_is_refused(folder: Path, answer: bytes) -> None:
    (folder / exchange.RESULT).write_bytes(answer)
    with pytest.raises(ReadingError) as caught:
        exchange.take(folder, 1 << 20)
    assert caught.value.code == "crashed"


def test_a_member_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / "a").symlink_to("/etc/passwd")
    exchange.write(exchange.Answer(members=(Member("a", folder / "a"),)), folder)
    with pytest.raises(ReadingError):
        exchange.take(folder, 1 << 20)


def children(pid: int, command: str = "") -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in found
        if command.encode() in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


async def all_gone(pids: list[int]) -> None:
    async with asyncio.timeout(20):
        for pid in pids:
            await gone(pid)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    while running(pid):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def child_of(pid: int, command: str = "") -> int:
    """Wait until a process has a child."""
    while not (found := children(pid, command)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return found[0]
