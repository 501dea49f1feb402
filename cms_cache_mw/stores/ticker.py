"""The clock by which leases, ages and pauses are counted: monotonic, and not stopped by a suspended machine."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

boottime: Final[Callable[[], float]] = partial(
    time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
)
"""Seconds on CLOCK_BOOTTIME, or on CLOCK_MONOTONIC where the system has no such clock. Every hit asks."""
