"""What a killed process leaves of documents doesn't stay."""

import os
from pathlib import Path

from chappe.knowledge import leftovers


def test_old_copies_go_and_young_ones_and_others_stay(tmp_path: Path) -> None:
    for name in ("read-old", "read-young"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "original").write_text("secret")
    for name in ("upload-old", "upload-young", "other"):
        (tmp_path / name).write_text("secret")
    for name in ("read-old", "upload-old", "other"):
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    assert leftovers.clear(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"read-young", "upload-young", "other"}
    assert (tmp_path / "read-young" / "original").exists()
