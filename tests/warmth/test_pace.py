"""How much the application is asked for in the background."""

from __future__ import annotations

from cms_cache_mw.warmth.pace import FIRST_PAUSE, GOOD, LONGEST_PAUSE, Pace


def render(pace: Pace, now: float, took: float, *, failed: bool = False) -> None:
    """One render from beginning to end."""
    assert pace.take(now)
    pace.ended(took, 0.1, now, failed=failed)


def slow_down(pace: Pace, now: float) -> None:
    """Render slowly until the application is left alone."""
    for _ in range(20):
        if pace.paused(now):
            return
        render(pace, now, 2.0)
    raise AssertionError("it never pauses")


def test_no_more_than_allowed_at_once() -> None:
    """A render has to end, or its place to be given back, before one more begins."""
    pace = Pace(2)
    assert [pace.take(0.0) for _ in range(3)] == [True, True, False]
    pace.give_back()
    assert pace.room(0.0)
    assert pace.take(0.0)
    pace.ended(0.1, 0.1, 0.0)
    assert pace.running == 1


def test_slow_application_is_left_alone() -> None:
    """Renders that take many times as long as before halve the number and pause it all."""
    pace = Pace(4)
    slow_down(pace, 10.0)
    assert pace.allowed == 2
    assert not pace.take(10.0 + FIRST_PAUSE * 0.9)
    assert pace.take(10.0 + FIRST_PAUSE)


def test_failures_count_as_slowness() -> None:
    """An application that fails is not asked for more and more."""
    pace = Pace(4)
    for _ in range(5):
        if not pace.paused(0.0):
            render(pace, 0.0, 0.1, failed=True)
    assert pace.paused(0.0)


def test_pauses_grow_and_end() -> None:
    """Each pause is twice as long as the one before, to a limit, and at least one render is tried after it."""
    pace, now, length = Pace(4), 0.0, 0
    for _ in range(8):
        slow_down(pace, now)
        length = next(step for step in range(1, 100) if not pace.paused(now + step))
        now += length
    assert length == LONGEST_PAUSE
    assert pace.allowed == 1
    assert pace.pauses == 8


def test_recovered_application_is_asked_for_more_again() -> None:
    """Renders at the usual speed allow one more at a time, up to the limit."""
    pace = Pace(4)
    slow_down(pace, 0.0)
    for number in range(GOOD * 4):
        render(pace, 100.0 + number, 0.1)
    assert pace.allowed == 4


def test_renders_beside_each_other_may_take_longer() -> None:
    """Four at once on one processor each take four times as long, which is no slowness."""
    pace = Pace(4)
    for now in range(50):
        for _ in range(4):
            assert pace.take(float(now))
        for _ in range(4):
            pace.ended(0.4 * pace.running / 4, 0.1, float(now))
    assert pace.pauses == 0


def test_unknown_renders_are_not_slow() -> None:
    """Where nobody knows what a page took before, its render says nothing about the application."""
    pace = Pace(1)
    for now in range(20):
        assert pace.take(float(now))
        pace.ended(9.0, 0.0, float(now))
    assert pace.pauses == 0
