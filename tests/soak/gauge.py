"""What a group of processes has: memory, threads and sockets, read from /proc."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.support.process import members

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB: Final = 1_048_576
GROWTH: Final = (("resident", 0.1, 8 * MIB), ("threads", 0.0, 4), ("sockets", 0.0, 24))
"""What of each may be noise: a share and a number. Connections come and go with load; the pool for pages alone has sixteen."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a group of processes."""

    resident: int
    """Bytes in memory."""
    threads: int
    sockets: int


def read(group: int) -> Reading:
    """What the processes of a group have at this moment."""
    resident = threads = sockets = 0
    for folder, _ in members(group):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, ProcessLookupError):
            resident += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            threads += len(list((folder / "task").iterdir()))
            sockets += sum(str(link.readlink()).startswith("socket:") for link in (folder / "fd").iterdir())
    return Reading(resident, threads, sockets)


def grown(readings: Sequence[Reading]) -> list[str]:
    """What grew between the second third of the readings and the last one; the first third warms up."""
    third = len(readings) // 3
    before, after = readings[third : 2 * third], readings[2 * third :]
    found: list[str] = []
    for name, share, margin in GROWTH:
        then, now = (median(getattr(reading, name) for reading in part) for part in (before, after))
        if now > then * (1 + share) + margin:
            found.append(f"{name} grew from {then:,.0f} to {now:,.0f}")
    return found
