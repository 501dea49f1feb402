"""The circuit breaker: three failures open it, only probes keep it open, the first success closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.stores.guard import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker

if TYPE_CHECKING:
    from tests.support.clock import Clock

pytestmark = pytest.mark.logs("the shared store is not asked for a while")

TROUBLE = TimeoutError("no answer in 100 ms")


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """A closed breaker on a clock that the test moves."""
    return Breaker(clock.now)


def fail(breaker: Breaker, times: int = FAILURES) -> None:
    """Let it see failures."""
    for _ in range(times):
        breaker.failed(TROUBLE)


def test_closed_at_first(breaker: Breaker) -> None:
    """A new breaker lets everything pass and wants no probe."""
    assert not breaker.open
    assert not breaker.wants_probe()


def test_three_in_a_row_open_it(breaker: Breaker) -> None:
    """Two failures are a hiccup, three are an outage."""
    seen = []
    for _ in range(FAILURES):
        fail(breaker, 1)
        seen.append(breaker.open)
    assert seen == [False, False, True]


def test_success_in_between(breaker: Breaker) -> None:
    """Failures count in a row: one answer and the count starts over."""
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert not breaker.open


def test_probe_is_wanted_after_the_pause(breaker: Breaker, clock: Clock) -> None:
    """While the pause lasts nobody asks; then one probe is wanted, until it has told how it went."""
    fail(breaker)
    assert not breaker.wants_probe()
    clock.advance(FIRST_PAUSE - 0.001)
    assert not breaker.wants_probe()
    clock.advance(0.001)
    assert breaker.wants_probe()
    assert breaker.open


def test_pauses_double_up_to_ten_seconds(breaker: Breaker, clock: Clock) -> None:
    """Each probe that fails doubles the pause: 1, 2, 4, 8, 10, 10 seconds."""
    fail(breaker)
    for pause in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        clock.advance(pause - 0.001)
        assert not breaker.wants_probe()
        clock.advance(0.001)
        assert breaker.wants_probe()
        fail(breaker, 1)
    assert (FIRST_PAUSE, LONGEST_PAUSE) == (1.0, 10.0)


def test_latecomers_change_nothing(breaker: Breaker, clock: Clock) -> None:
    """A hundred requests that were under way fail together: that is one outage, and its pause is the first."""
    fail(breaker, 100)
    clock.advance(0.5)
    fail(breaker, 5)
    clock.advance(FIRST_PAUSE - 0.5)
    assert breaker.wants_probe()


def test_success_closes_it(breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The first answer closes it, and the next outage begins with a short pause again."""
    fail(breaker)
    clock.advance(1)
    fail(breaker, 1)
    clock.advance(2)
    caplog.clear()
    with caplog.at_level("INFO", logger="cms_cache_mw"):
        breaker.succeeded()
    assert not breaker.open
    assert not breaker.wants_probe()
    assert [record.message for record in caplog.records] == ["the shared store answers again"]
    fail(breaker)
    clock.advance(FIRST_PAUSE)
    assert breaker.wants_probe()


def test_says_once_that_it_opened(breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """One warning for an outage however long it is, with what went wrong."""
    fail(breaker, 10)
    clock.advance(5)
    fail(breaker, 1)
    assert [record.message for record in caplog.records] == [
        "the shared store is not asked for a while: no answer in 100 ms"
    ]


def test_success_while_closed_is_silent(breaker: Breaker, caplog: pytest.LogCaptureFixture) -> None:
    """Answers in ordinary times leave no line in the log."""
    with caplog.at_level("DEBUG", logger="cms_cache_mw"):
        breaker.succeeded()
        fail(breaker, 1)
        breaker.succeeded()
    assert caplog.records == []
