"""What a group of processes has: memory, threads and sockets, read from /proc."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.support.process import members

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB: Final = 1_048_576
WARM: Final = 300.0
"""Seconds in which a worker may fill what it fills once: its memory, what it remembers of keys and tags, the application's own caches."""
FLAT: Final = {"resident": 3 * MIB, "threads": 4, "sockets": 24}
"""By how much the median of a part may exceed that of the part before. Connections come and go with load; the pool for pages alone has sixteen."""
FILLING: Final = FLAT | {"resident": 12 * MIB}
"""The same while a worker fills what it fills once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a group of processes."""

    at: float
    """Seconds since the start."""
    resident: int
    """Bytes in memory."""
    threads: int
    sockets: int

    def __str__(self) -> str:
        return f"{self.resident / MIB:.1f} MiB, {self.threads} threads, {self.sockets} sockets"


def read(group: int, at: float) -> Reading:
    """What the processes of a group have at this moment, `at` seconds after the start."""
    resident = threads = sockets = 0
    for folder, _ in members(group):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, ProcessLookupError):
            resident += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            threads += len(list((folder / "task").iterdir()))
            sockets += sum(str(link.readlink()).startswith("socket:") for link in (folder / "fd").iterdir())
    return Reading(at, resident, threads, sockets)


def middle(readings: Sequence[Reading]) -> Reading:
    """The median of each thing in some readings, at the time of the first one."""
    return Reading(readings[0].at, *(int(median(getattr(reading, name) for reading in readings)) for name in FLAT))


def minutes(readings: Sequence[Reading]) -> list[Reading]:
    """What was there in the middle of each minute."""
    return [middle(list(part)) for _, part in groupby(readings, key=lambda reading: reading.at // 60)]


def grown(readings: Sequence[Reading]) -> list[str]:
    """What grew between the second third of the readings and the last one; the first is the start."""
    third = len(readings) // 3
    before, after = middle(readings[third : 2 * third]), middle(readings[2 * third :])
    margins = FLAT if before.at >= WARM else FILLING
    return [
        f"{name} grew from {then:,} to {now:,}, by more than {margin:,}"
        for name, margin in margins.items()
        if (now := getattr(after, name)) > (then := getattr(before, name)) + margin
    ]
