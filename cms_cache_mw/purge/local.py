"""The purge clock without Redis: one process, where a purge is done as soon as it is counted."""

from __future__ import annotations

import secrets
import threading
from math import inf
from typing import TYPE_CHECKING

from cms_cache_mw.purge.clock import Clock, Logged, State
from cms_cache_mw.purge.ticket import Ticket
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.purge.wire import Kind


class LocalBarrier:
    """Purges for a single process: the same calls as `Barrier`, answered at once."""

    unrecorded = 0

    def __init__(self, clock: Clock, *, now: Callable[[], float] = boottime) -> None:
        self._clock, self._now = clock, now
        self._lock = threading.Lock()
        clock.begin(State(epoch=secrets.randbits(63) | 1, pos=1, tip=b"", lease_until=inf))

    def purge(
        self, prints: Iterable[int], *, kind: Kind = "hard", grace: float = 0.0, names: Iterable[str] = ()
    ) -> Ticket:
        """Count and apply a purge."""
        now = self._now()
        ticket = Ticket(set(prints), kind, grace, began=now, names=set(names))
        with self._lock:
            state = self._clock.state
            ticket.epoch, ticket.seq, ticket.settled = state.epoch, state.pos + 1, True
            self._clock.apply([Logged(ticket.seq, b"", kind, tuple(ticket.prints), grace)], now)
            self._clock.settle_soft(now)
        ticket.recorded.set_result(True)
        ticket.finish(self._now())
        return ticket

    def close(self) -> None:
        """There is nothing to end."""
