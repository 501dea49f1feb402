"""Between the cache and a Redis that may be down, slow or mute: a deadline for each call and a circuit breaker.

Trouble is one exception, `StoreError`, raised and caught here: outside it is a miss. Open means that nobody asks; visitors
are never the probe, the follower's thread is.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable

log: Final = logging.getLogger("cms_cache_mw")

TIMEOUT: Final = 0.1
"""Seconds that a visitor's request ever waits for Redis. Looked up as each wait begins: tests about something else are patient."""
FAILURES: Final = 3
"""Failures in a row that open the breaker."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 10.0


class StoreError(Exception):
    """The store did not answer in time, or refused."""


class Breaker:
    """Closed after a success, open after three failures in a row; while open, `wants_probe` asks for one after each pause."""

    def __init__(self, now: Callable[[], float] = boottime) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0
        self.open = False

    def succeeded(self) -> None:
        """Note an answer; the first one closes the breaker."""
        if not self._failures:
            return
        with self._lock:
            was_open, self.open = self.open, False
            self._failures, self._pause = 0, FIRST_PAUSE
        if was_open:
            log.info("the shared store answers again")

    def failed(self, error: Exception) -> None:
        """Note a failure."""
        with self._lock:
            self._failures += 1
            # While it is open only the probe counts: what was under way when it opened fails late, and all together.
            if self._failures < FAILURES or (self.open and not self.wants_probe()):
                return
            was_open, self.open = self.open, True
            self._probe_at = self._now() + self._pause
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
        if not was_open:
            log.warning("the shared store is not asked for a while: %s", error)

    def wants_probe(self) -> bool:
        """Whether the breaker is open and its pause is over."""
        return self.open and self._now() >= self._probe_at
