"""A gateway of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_tower import Tower, tower


@pytest.fixture
async def gate(database_url: str, tmp_path: Path) -> AsyncIterator[Tower]:
    """A running gateway with an empty catalogue."""
    async with tower(database_url, tmp_path) as running:
        yield running
