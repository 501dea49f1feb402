"""What the soak calls growth, and what it does not."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.soak.gauge import MIB, Reading, grown, minutes, read

HALF_AN_HOUR = 1_800
STEP = 2


def readings(rate: float, *, seconds: int = HALF_AN_HOUR, full: float = 300, threads: int = 24) -> list[Reading]:
    """A worker that fills 20 MiB in the first `full` seconds, grows by `rate` MiB a minute, and has 4 MiB more or less each time."""
    chance = Random(seconds)
    return [
        Reading(
            at,
            int((100 + min(at, full) * 20 / full + rate * at / 60 + chance.uniform(-4, 4)) * MIB),
            threads + chance.randint(-1, 1) + int(rate * at / 60),
            30,
        )
        for at in range(0, seconds, STEP)
    ]


def test_filling_is_no_growth() -> None:
    """A worker that fills what it fills once, and has now more and now less from then on, is flat."""
    assert grown(readings(0.0)) == []


@pytest.mark.parametrize("rate", [0.4, 0.65, 5.0])
def test_growth_is_found(rate: float) -> None:
    """Memory that goes on growing by some hundred KiB a minute is growth, from whatever level."""
    assert grown(readings(rate))[0].startswith("resident grew from ")


def test_threads_are_counted() -> None:
    """A thread a minute is growth."""
    assert grown(readings(1.0))[1].startswith("threads grew from ")


def test_short_run_is_taken_as_filling() -> None:
    """Within the first minutes the rest of the filling is no growth, and a leak that is plain to see is."""
    assert grown(readings(0.0, seconds=300)) == []
    assert grown(readings(10.0, seconds=300, full=100))[0].startswith("resident grew from ")


def test_minutes_are_medians() -> None:
    """Each minute is told by the median of its readings, so that one that is far out says nothing."""
    far = [Reading(0, 9, 9, 9), *(Reading(at, 1, 2, 3) for at in range(2, 60, 2)), Reading(60, 4, 5, 6)]
    assert minutes(far) == [Reading(0, 1, 2, 3), Reading(60, 4, 5, 6)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="read from /proc")
def test_reading_is_of_this_process() -> None:
    """A reading has what the processes of the group have, this one among them."""
    seen = read(os.getpgrp(), 1.0)
    assert seen.at == 1.0
    assert seen.resident > 10 * MIB
    assert seen.threads >= 1
