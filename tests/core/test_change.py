"""The lifetime that fits: few answers are out of date, whether changes come by chance or in bursts, and no fewer than asked for."""

from __future__ import annotations

import random
from bisect import bisect
from itertools import pairwise
from math import inf, sqrt
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.core.change import Observed, first, lifetime

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR, DAY = 3_600.0, 86_400.0


def test_formula() -> None:
    """T = p/c · (1 + √(1 + 2 c / (p u))): 2 p / c for what is used all the time, longer for what is used seldom."""
    assert lifetime(0.05, 1 / HOUR, inf) == pytest.approx(2 * 0.05 * HOUR)
    assert lifetime(0.05, 1 / HOUR, 1 / HOUR) == pytest.approx(0.05 * HOUR * (1 + sqrt(41)))
    assert lifetime(0.05, 0.0, 1.0) == lifetime(0.05, 1.0, 0.0) == inf


def poisson(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """Instants that come by chance."""
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


def bursts(seconds: float, chance: random.Random) -> Iterator[float]:
    """An hour of changes every five minutes, once a day, at any time of it; nothing in between."""
    for day in range(int(seconds / DAY)):
        begin = day * DAY + chance.random() * (DAY - HOUR)
        yield from (begin + at for at in poisson(1 / 300, HOUR, chance))


def served(
    changes: list[float], uses: list[float], stale: float, assumed: float
) -> tuple[float, list[tuple[float, float]]]:
    """The share of answers that were out of date, in the last three quarters, and each lifetime with when it was given."""
    observed, given = Observed.nothing(), list[tuple[float, float]]()
    born, until, hits, version, late, counted = -1.0, -1.0, 0, 0, 0, 0
    for at in uses:
        now = bisect(changes, at)
        counted += at > uses[-1] / 4
        if at < until:
            hits += 1
            late += now != version and at > uses[-1] / 4
            continue
        if born >= 0:
            observed.add(at - born, hits + 1, changed=now != version)
        born, hits, version = at, 0, now
        given.append((at, lifetime(stale, observed.changes(2 * stale / assumed), observed.uses)))
        until = at + given[-1][1]
    return late / counted, given


@pytest.mark.parametrize("stale", [0.02, 0.1])
@pytest.mark.parametrize("used", [30.0, 300.0, 7_200.0])
@pytest.mark.parametrize("assumed", [30.0, 300.0, 40_000.0])
def test_changes_by_chance(stale: float, used: float, assumed: float) -> None:
    """With a change every two hours about as many answers are out of date as asked for, whatever was assumed at first."""
    chance = random.Random(7)
    seconds = 60 * DAY if used < 600 else 300 * DAY
    changes, uses = list(poisson(1 / 7_200, seconds, chance)), list(poisson(1 / used, seconds, chance))
    share, given = served(changes, uses, stale, assumed)
    assert stale / 4 < share < stale * 1.5
    fitting = lifetime(stale, 1 / 7_200, 1 / used)
    usual = sorted(ttl for at, ttl in given if at > seconds / 4)
    assert fitting / 3 < usual[len(usual) // 2] < fitting * 1.5


def test_what_never_changes() -> None:
    """What does not change is kept longer and longer."""
    uses = [float(at) for at in range(0, int(10 * DAY), 60)]
    _, given = served([], uses, 0.05, 300.0)
    assert given[0][1] == pytest.approx(300.0)
    assert all(later >= earlier * 0.999 for (_, earlier), (_, later) in pairwise(given))
    assert given[-1][1] > 8_000


def test_changes_in_bursts() -> None:
    """With an hour of many changes a day the share holds; lifetimes are shorter during that hour, and long again after it."""
    chance = random.Random(11)
    seconds = 40 * DAY
    changes, uses = list(bursts(seconds, chance)), list(poisson(1 / 30, seconds, chance))
    share, given = served(changes, uses, 0.05, 300.0)
    assert share < 0.05
    late = [(at, ttl) for at, ttl in given if at > seconds / 4]
    within = [ttl for at, ttl in late if bisect(changes, at) - bisect(changes, at - HOUR / 2) >= 4]
    quiet = [ttl for at, ttl in late if bisect(changes, at) == bisect(changes, at - 4 * HOUR)]
    assert sum(within) / len(within) < 0.6 * sum(quiet) / len(quiet)


def test_uses_of_the_first_second() -> None:
    """What was in use for less than a second has a rate; what was not seen yet is taken to be in use all the time."""
    observed = Observed.nothing()
    assert observed.uses == inf
    observed.add(0.5, 3, changed=False)
    assert observed.uses == 6.0


def test_first_change() -> None:
    """The first of few changes is expected in the middle, of many soon; huge numbers are no trouble."""
    assert first(1e-9, 100.0) == pytest.approx(50.0)
    assert first(1e-4, 100.0) == pytest.approx(50.0, rel=0.01)
    assert first(1.0, 100.0) == pytest.approx(1.0)
    assert first(1.0, 1e9) == 1.0
