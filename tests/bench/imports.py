"""What importing the package costs a new process, with its bytecode written before, beside importing asyncio."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 12
_CODE = (
    "import time; at = time.process_time(); import asyncio; then = time.process_time(); import cms_cache_mw; "
    "print(then - at, time.process_time() - at)"
)


def measure() -> Iterator[Figure]:
    """The best of several processes, in which asyncio comes first, as it does under any server of today."""
    with tempfile.TemporaryDirectory() as folder:
        there = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        found = [_once(there) for _ in range(ROUNDS + 1)][1:]
    alone, whole = (min(times) for times in zip(*found, strict=True))
    yield Figure("import of cms_cache_mw, asyncio included", whole * 1e3, "ms", 120)
    yield Figure("import of cms_cache_mw, in imports of asyncio", whole / alone, "x", 5)


def _once(there: dict[str, str]) -> tuple[float, float]:
    ran = subprocess.run([sys.executable, "-c", _CODE], check=True, capture_output=True, text=True, env=there)
    alone, whole = map(float, ran.stdout.split())
    return alone, whole
