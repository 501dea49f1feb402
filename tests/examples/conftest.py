"""The newsroom's content, seeded once for all tests of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from examples.newsroom import seed


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A freshly seeded database, not to be changed."""
    path = tmp_path_factory.mktemp("newsroom") / "newsroom.sqlite3"
    seed.ensure(path)
    return path


@pytest.fixture
def database(seeded: Path, tmp_path: Path) -> Path:
    """A database of one's own."""
    return Path(shutil.copy(seeded, tmp_path / "newsroom.sqlite3"))
