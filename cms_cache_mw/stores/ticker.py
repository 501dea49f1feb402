"""The clock by which leases, ages and pauses are counted: monotonic, and not stopped by a suspended machine."""

from __future__ import annotations

import time
from typing import Final

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds on CLOCK_BOOTTIME, or on CLOCK_MONOTONIC where the system has no such clock."""
    return time.clock_gettime(_CLOCK)
