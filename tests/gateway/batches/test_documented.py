"""What the reference says of batches' limits is what the code holds to."""

import re

import pytest

from chappe.core.errors import ChappeError
from chappe.gateway.batches.batch import window_hours
from chappe.gateway.batches.lines import MOST_LINES
from chappe.gateway.batches.service import Limits
from chappe.gateway.batches.verdict import ATTEMPTS
from support import ROOT

PAGE = (ROOT / "docs/reference/api.md").read_text()
PART = PAGE.split("### Files and batches")[1]
LIMITS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PART, re.M))


def test_sizes_and_counts() -> None:
    limits = Limits()
    assert LIMITS["lines of a batch"].startswith(f"{MOST_LINES:,},")
    assert LIMITS["an uploaded file"].startswith(f"{limits.file_bytes // 10**6} MB")
    together = f"{limits.organisation_bytes // 10**9} GB"
    assert LIMITS["files of an organisation together"] == together
    under_way = LIMITS["batches under way, of an organisation"]
    assert under_way == str(limits.organisation_batches)
    assert ATTEMPTS == 3 and "three times in all" in PAGE


def test_windows() -> None:
    windows = re.findall(r"`(\d+[hd])`", LIMITS["`completion_window`"])
    assert [window_hours(each) for each in windows] == [1, 336, 24, 336]
    for outside in ("0h", "337h", "15d"):
        with pytest.raises(ChappeError):
            window_hours(outside)
