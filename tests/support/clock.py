"""Time that passes when a test says so."""

from __future__ import annotations


class Clock:
    """A clock in seconds; `clock.now` is what code that asks for a clock is given."""

    def __init__(self, start: float = 1_000.0) -> None:
        self._seconds = start

    def now(self) -> float:
        """The present instant, in seconds."""
        return self._seconds

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass (negative: a clock set back) and give the new instant."""
        self._seconds += seconds
        return self._seconds
