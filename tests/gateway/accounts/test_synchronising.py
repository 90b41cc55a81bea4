"""The setting that forces the journal to the disk reaches the journal."""

import asyncio
from pathlib import Path

import pytest

from chappe.core.settings import SettingsError, load_settings
from chappe.gateway.accounts.journal import Journal
from gateway_tower import tower


async def test_the_journal_is_forced_to_the_disk_as_often_as_set(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced = asyncio.Semaphore(0)
    real = Journal.synchronise

    async def synchronise(journal: Journal) -> None:
        await real(journal)
        forced.release()

    monkeypatch.setattr(Journal, "synchronise", synchronise)
    async with tower(database_url, tmp_path, journal_sync_seconds=0.01), asyncio.timeout(30):
        for _ in range(3):
            await forced.acquire()


async def test_by_default_the_kernel_decides(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[Journal] = []
    monkeypatch.setattr(Journal, "synchronise", forced.append)
    async with tower(database_url, tmp_path):
        pass
    assert forced == []


def test_an_interval_is_positive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAPPE_JOURNAL_SYNC_SECONDS", "0")
    with pytest.raises(SettingsError, match="journal_sync_seconds"):
        load_settings()
