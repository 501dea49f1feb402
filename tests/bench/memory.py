"""By how much a process grows beyond `max_memory_mb` under a flood of what nobody asks for twice; REQUESTS says how long it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_MB: Final = 64
ROOT: Final = Path(__file__).resolve().parents[2]


def measure() -> Iterator[Figure]:
    """The growth, in a process of its own."""
    requests = int(os.environ.get("REQUESTS") or 200_000)
    program = [sys.executable, "-m", "tests.support.growth", str(requests), str(LIMIT_MB)]
    said = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    grown = json.loads(said)["grown"] / (LIMIT_MB * 1_048_576)
    yield Figure(f"growth by {requests:,} requests at {LIMIT_MB} MiB, in limits", grown, "x", 1.15)
