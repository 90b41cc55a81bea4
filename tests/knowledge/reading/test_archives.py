"""ZIP archives, and whatever else is made of them, by people who mean harm."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.knowledge.reading.archive import safe_name
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError
from office_support import read

SMALL = Limits(unpacked_bytes=2_000_000, members=50)


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def saved(folder: Path, data: bytes, name: str = "archive.zip") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refused(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(ReadingError) as raised:
        read(path, limits=limits)
    return raised.value.code


def test_members_are_copied_out(tmp_path: Path) -> None:
    members = {
        "délibérations/2024/mars.txt": "Voté.".encode(),
        "../../etc/passwd": b"x",
        "C:\\Windows\\a.txt": b"y",
        "/racine.txt": b"z",
        "__MACOSX/._a": b"",
        ".DS_Store": b"q",
        "vide.txt": b"",
        "dossier/": b"",
        "dedans.zip": zipped({"a/b.txt": b"profond"}),
    }
    result = read(saved(tmp_path, zipped(members)))
    assert result.document is None
    assert {member.name: member.path.read_bytes() for member in result.members} == {
        "délibérations/2024/mars.txt": "Voté.".encode(),
        "etc/passwd": b"x",
        "Windows/a.txt": b"y",
        "racine.txt": b"z",
        "dedans.zip/a/b.txt": b"profond",
    }


@given(st.text(max_size=80))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe and not safe.startswith("/") and "\\" not in safe and "\0" not in safe
    assert not {"", ".", ".."} & set(safe.split("/"))


def test_office_files_inside_are_members_not_archives(tmp_path: Path) -> None:
    file, out = docx.Document(), io.BytesIO()
    file.add_paragraph("Bonjour.")
    file.save(out)
    result = read(saved(tmp_path, zipped({"a.docx": out.getvalue()})))
    assert [member.name for member in result.members] == ["a.docx"]


def test_what_can_not_be_had_is_named(tmp_path: Path) -> None:
    inner = zipped({"fond.txt": b"x"})
    for _ in range(4):
        inner = zipped({"plus.zip": inner, "vu.txt": b"vu"})
    result = read(saved(tmp_path, inner))
    names = {member.name for member in result.members}
    assert names == {"vu.txt", "plus.zip/vu.txt", "plus.zip/plus.zip/vu.txt"}
    assert result.document is not None
    (issue,) = result.document.issues
    assert (issue.code, issue.loss) == ("member_depth", True)
    assert issue.values == {"name": "plus.zip/plus.zip/plus.zip"}


def test_encrypted_members(tmp_path: Path) -> None:
    data = bytearray(zipped({"secret.txt": b"x" * 50}))
    # The general purpose flag, in the local header and in the directory.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert refused(saved(tmp_path, bytes(data))) == "encrypted"


def test_a_bomb_by_its_ratio(tmp_path: Path) -> None:
    bomb = zipped({"zeros.txt": bytes(20_000_000)})
    assert refused(saved(tmp_path, bomb)) == "bomb"
    assert not list(tmp_path.rglob("member-*"))


def test_a_bomb_by_its_total(tmp_path: Path) -> None:
    members = {f"{index}.bin": bytes([index]) * 100_000 for index in range(30)}
    assert refused(saved(tmp_path, zipped(members)), SMALL) == "bomb"


def test_a_bomb_inside_a_bomb(tmp_path: Path) -> None:
    inner = zipped({f"{index}.bin": bytes([index]) * 300_000 for index in range(6)})
    outer = zipped({f"{index}.zip": inner for index in range(8)})
    assert refused(saved(tmp_path, outer), SMALL) == "bomb"


def test_a_bomb_whose_members_overlap(tmp_path: Path) -> None:
    data = zipped({"a.txt": b"x" * 5_000, "b.txt": b"y" * 5_000}, zipfile.ZIP_STORED)
    second = data.rindex(b"PK\x01\x02")
    # The second member is said to begin where the first one does.
    data = data[: second + 42] + struct.pack("<I", 0) + data[second + 46 :]
    assert refused(saved(tmp_path, data)) == "bomb"


def test_too_many_members(tmp_path: Path) -> None:
    members = {f"{index}.txt": b"x" for index in range(51)}
    assert refused(saved(tmp_path, zipped(members)), SMALL) == "too_many_members"
    halves = {f"{half}.zip": zipped({f"{i}.txt": b"x" for i in range(30)}) for half in "ab"}
    assert refused(saved(tmp_path, zipped(halves)), SMALL) == "too_many_members"


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_truncated_archive(tmp_path: Path, keep: float) -> None:
    data = zipped({"a.txt": bytes(range(256)) * 100})
    assert refused(saved(tmp_path, data[: int(len(data) * keep)])) == "broken"


def test_a_damaged_member(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": bytes(range(256)) * 40, "b.txt": b"entier"}))
    data[60:90] = bytes(30)
    result = read(saved(tmp_path, bytes(data)))
    assert [member.name for member in result.members] == ["b.txt"]
    assert result.document is not None
    assert [issue.code for issue in result.document.issues] == ["member_broken"]


def test_names_of_old_archivers(tmp_path: Path) -> None:
    data = zipped({"DLIB.TXT": b"x"}).replace(b"DLIB", "DÉLI".encode("cp850"))
    result = read(saved(tmp_path, data))
    assert [member.name for member in result.members] == ["DÉLI.TXT"]


# --- Office files ------------------------------------------------------------------------------


def word(folder: Path) -> Path:
    file = docx.Document()
    file.add_paragraph("Bonjour.")
    path = folder / "a.docx"
    file.save(str(path))
    return path


def workbook(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    path = folder / "a.xlsx"
    book.save(path)
    return path


def changed(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    path.write_bytes(zipped(parts))
    return path


LAUGHS = b"<!DOCTYPE lolz [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
    b"<!ENTITY %c '&%c;&%c;&%c;&%c;'>" % ((letter, *[letter - 1] * 4)) for letter in b"bcdefghijk"
)
OUTSIDE = b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>"


@pytest.mark.parametrize("declaration", [LAUGHS + b"]>", OUTSIDE + b"]>"])
@pytest.mark.parametrize(
    ("make", "part"),
    [
        (word, "word/document.xml"),
        (word, "word/styles.xml"),
        (workbook, "xl/worksheets/sheet1.xml"),
        (workbook, "xl/workbook.xml"),
    ],
)
def test_entities_are_never_expanded(
    tmp_path: Path, make: Callable[[Path], Path], part: str, declaration: bytes
) -> None:
    def declare(data: bytes) -> bytes:
        root = data.index(b"<", 1) if data.startswith(b"<?xml") else 0
        return data[:root] + declaration + data[root:]

    assert refused(changed(make(tmp_path), part, declare)) == "xml_entities"


def test_relations_outside_the_package_are_not_followed(tmp_path: Path) -> None:
    outside = (
        b'<Relationship Id="rOut" TargetMode="External" Target="http://127.0.0.1:9/x" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/>'
        b"</Relationships>"
    )
    path = changed(
        word(tmp_path),
        "word/_rels/document.xml.rels",
        lambda data: data.replace(b"</Relationships>", outside),
    )
    found = read(path).document
    assert found is not None and found.text == "Bonjour."


def test_a_part_that_is_a_bomb(tmp_path: Path) -> None:
    path = changed(word(tmp_path), "word/document.xml", lambda data: data + b" " * 70_000_000)
    assert refused(path) == "bomb"


def test_elements_nested_beyond_measure(tmp_path: Path) -> None:
    deep = b"<w:sdt><w:sdtContent>" * 5_000

    def nest(data: bytes) -> bytes:
        return data.replace(b"<w:body>", b"<w:body>" + deep)

    assert refused(changed(word(tmp_path), "word/document.xml", nest)) == "broken"


@pytest.mark.parametrize("make", [word, workbook])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_truncated_office_files(tmp_path: Path, make: Callable[[Path], Path], keep: float) -> None:
    path = make(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert refused(path) == "broken"


def test_a_file_saved_as_strict_is_the_same(tmp_path: Path) -> None:
    usual = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    strict = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
    path = word(tmp_path)
    for part in ("word/document.xml", "word/styles.xml"):
        changed(path, part, lambda data: data.replace(usual, strict))
    found = read(path).document
    assert found is not None and found.text == "Bonjour."


def test_a_wrong_extension_is_read_by_its_content(tmp_path: Path) -> None:
    path = word(tmp_path).rename(tmp_path / "a.pdf")
    found = read(path).document
    assert found is not None and found.text == "Bonjour."


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [make(tmp_path_factory.mktemp("sain")) for make in (word, workbook)]


@settings(max_examples=60, deadline=None)
@given(
    which=st.integers(0, 1),
    damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_a_file_damaged_anywhere_is_read_or_refused(
    samples: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    which: int,
    damage: list[tuple[float, int]],
) -> None:
    raw = bytearray(samples[which].read_bytes())
    for place, byte in damage:
        raw[int(place * (len(raw) - 1))] = byte
    path = saved(tmp_path_factory.mktemp("abime"), bytes(raw), "abîmé.docx")
    try:
        read(path)
    except ReadingError as error:
        assert error.code
