import gzip
import io
import tarfile
from pathlib import Path

import pytest

from chappe.knowledge.sources.archive import ArchiveLimits, SourceFormatError, members, names
from samples.build import pack

FILES = {"data/a.json": b"un", "data/b.json": b"", "autre.txt": b"trois"}


def with_member(path: Path, member: tarfile.TarInfo, content: bytes = b"") -> Path:
    member.size = len(content)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(content))
    return path


def test_members_under_a_prefix_come_in_order_with_their_content(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tgz", FILES)
    assert list(members(path, "package/data/")) == [
        ("package/data/a.json", b"un"),
        ("package/data/b.json", b""),
    ]
    assert list(names(path)) == [f"package/{name}" for name in FILES]


def test_nothing_is_written_to_disk(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tgz", FILES)
    list(members(path))
    assert list(tmp_path.iterdir()) == [path]


def test_an_absent_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(members(tmp_path / "absent.tgz"))


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.9, 0.999])
def test_a_truncated_archive_says_what_to_do(tmp_path: Path, kept: float) -> None:
    noise = {f"data/{i}.json": bytes(i * j % 251 for j in range(5000)) for i in range(20)}
    path = pack(tmp_path / "a.tgz", noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SourceFormatError, match=r"a\.tgz.*supprimez ce fichier et relancez"):
        list(members(path))


def test_a_damaged_byte_is_found_whatever_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    # Stored without compression, so that the damage is in a content and inflates without error.
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo("package/data/a.json")
        member.size = 600
        archive.addfile(member, io.BytesIO(b"a" * 600))
    content = gzip.compress(raw.getvalue(), 0)
    path.write_bytes(content.replace(b"aaaaaaaaaa", b"aaaaabaaaa", 1))
    with pytest.raises(SourceFormatError, match="supprimez ce fichier"):
        list(members(path))


def test_a_header_that_cannot_be_read_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name in ("package/a", "package/b"):
            member = tarfile.TarInfo(name)
            member.size = 512
            archive.addfile(member, io.BytesIO(b"x" * 512))
    content = bytearray(raw.getvalue())
    content[1024:1100] = b"?" * 76
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(SourceFormatError, match="supprimez ce fichier"):
        list(members(path))


@pytest.mark.parametrize(
    "content", [b"", b"not an archive", gzip.compress(b"not an archive", mtime=0)]
)
def test_what_is_not_an_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(content)
    with pytest.raises(SourceFormatError, match="supprimez ce fichier"):
        list(members(path))


@pytest.mark.parametrize(
    "limits",
    [
        ArchiveLimits(member_bytes=4),
        ArchiveLimits(total_bytes=4096),
        ArchiveLimits(members=2),
    ],
)
def test_limits(tmp_path: Path, limits: ArchiveLimits) -> None:
    path = pack(tmp_path / "a.tgz", FILES)
    with pytest.raises(SourceFormatError, match=r"trop"):
        list(members(path, limits=limits))


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tgz", {"data/a.json": bytes(5_000_000)})
    with pytest.raises(SourceFormatError, match="trop volumineux"):
        list(members(path, limits=ArchiveLimits(total_bytes=100_000)))


@pytest.mark.parametrize("name", ["/etc/a.json", "package/../../a.json", "package\\a.json"])
def test_a_name_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = with_member(tmp_path / "a.tgz", tarfile.TarInfo(name), b"{}")
    with pytest.raises(SourceFormatError, match="nom de fichier refusé"):
        list(members(path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("package/data/a.json")
    member.type = kind
    member.linkname = "/etc/passwd"
    path = with_member(tmp_path / "a.tgz", member)
    with pytest.raises(SourceFormatError, match="n'est pas un fichier ordinaire"):
        list(members(path, "package/data/"))
    assert list(members(path, "package/other/")) == []
