"""Which used pages are rendered anew before they expire, and when."""

from __future__ import annotations

from collections import Counter

import pytest

from cms_cache_mw.core.entry import Entry, Freshness, Key
from cms_cache_mw.warmth.ahead import MOST, Ahead


def page(
    path: bytes = b"/", *, lifetime: float = 100.0, born: float = 0.0, hits: int = 9, ms: float = 20
) -> tuple[Key, Entry]:
    """A page in memory."""
    entry = Entry(200, (), b"", Freshness(lifetime), born, 1, 1, (), site="main", hits=hits, render_ms=ms)
    return (b"https", b"h", path, b""), entry


def due(ahead: Ahead, since: float, until: float) -> float | None:
    """The first whole second at which a page is due."""
    return next((now for now in range(int(since), int(until)) if ahead.take(now)), None)


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, 95), (0.5, 90), (0.999, 86)])
def test_shortly_before_its_end(jitter: float, expected: int) -> None:
    """A page is due a tenth of its lifetime before its end, give or take half of that."""
    ahead = Ahead(lambda: jitter)
    ahead.scan([page()], 80.0, 100.0)
    assert due(ahead, 80, 100) == expected


def test_jitter_spreads_pages_that_were_born_together() -> None:
    """Pages with the same end are not all due at once."""
    ahead = Ahead()
    ahead.scan([page(b"/%d" % number) for number in range(200)], 80.0, 100.0)
    taken: Counter[int] = Counter()
    for now in range(80, 101):
        while ahead.take(now):
            taken[now] += 1
    assert taken.total() == 200
    assert max(taken.values()) < 60


def test_unused_pages_expire() -> None:
    """A page that was used once or never is left to expire."""
    ahead = Ahead()
    ahead.scan([page(b"/0", hits=0), page(b"/1", hits=1)], 85.0, 100.0)
    assert len(ahead) == 0


def test_what_is_not_due_is_left_to_the_next_scan() -> None:
    """A page that has long to live, or none left, is not noted."""
    ahead = Ahead()
    ahead.scan([page(b"/young"), page(b"/dead", born=-200.0)], 10.0, 15.0)
    assert len(ahead) == 0


def test_noted_once() -> None:
    """A page that is scanned twice before it is due is rendered once."""
    ahead = Ahead(lambda: 0.0)
    ahead.scan([page()], 90.0, 95.0)
    ahead.scan([page()], 94.0, 99.0)
    assert ahead.take(95.0)
    assert ahead.take(99.0) is None


def test_slow_pages_begin_earlier() -> None:
    """A page whose render takes ten seconds is begun in time."""
    ahead = Ahead(lambda: 0.5)
    ahead.scan([page(ms=10_000)], 50.0, 100.0)
    assert due(ahead, 50, 100) == 70


def test_long_lives_are_not_cut_short() -> None:
    """A page that lives for a day is renewed within its last minute and a half."""
    ahead = Ahead(lambda: 0.999)
    ahead.scan([page(lifetime=86_400.0)], 86_300.0, 86_400.0)
    first = due(ahead, 86_300, 86_400)
    assert first is not None
    assert first >= 86_400 - 1.5 * MOST


def test_what_another_worker_renewed_is_taken_from_there() -> None:
    """What Redis has counts as renewed only if it lasts longer than the page that is to be replaced can."""
    ahead = Ahead(lambda: 0.999)
    ahead.scan([page()], 80.0, 100.0)
    wish = ahead.take(100.0)
    assert wish is not None
    assert wish.least >= 15.0
    assert wish.validate
