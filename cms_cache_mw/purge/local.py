"""The purge clock without Redis: one process, where a purge is done as soon as it is counted."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from math import inf
from typing import TYPE_CHECKING

from cms_cache_mw.purge import ledger
from cms_cache_mw.purge.clock import Clock, Logged, State
from cms_cache_mw.purge.ticket import Ticket
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.purge.ledger import Motive
    from cms_cache_mw.purge.wire import Kind


class LocalBarrier:
    """Purges for a single process: the same calls as `Barrier`, answered at once."""

    unrecorded = 0

    def __init__(self, clock: Clock, *, now: Callable[[], float] = boottime) -> None:
        self._clock, self._now = clock, now
        self._lock = threading.Lock()
        self.lines: deque[ledger.Row] = deque(maxlen=ledger.LINES)
        """The purge log, oldest first."""
        clock.begin(State(epoch=secrets.randbits(63) | 1, pos=1, tip=b"", lease_until=inf))

    def purge(
        self,
        prints: Iterable[int],
        *,
        kind: Kind = "hard",
        grace: float = 0.0,
        names: Iterable[str] = (),
        motive: Motive | None = None,
    ) -> Ticket:
        """Count and apply a purge."""
        now = self._now()
        ticket = Ticket(set(prints), kind, grace, began=now, names=set(names), motives=[motive] if motive else [])
        with self._lock:
            state = self._clock.state
            ticket.epoch, ticket.seq, ticket.settled = state.epoch, state.pos + 1, True
            self._clock.apply([Logged(ticket.seq, b"", kind, tuple(ticket.prints), grace)], now)
            self._clock.settle_soft(now)
        ticket.recorded.set_result(True)
        ticket.finish(self._now())
        purge = ledger.named(ticket.epoch, ticket.seq)
        self.report(purge, ledger.begun(ticket))
        self.report(purge, ledger.ended(ticket))
        return ticket

    def report(self, purge: str, line: bytes) -> None:
        """Add a line to the purge log."""
        self.lines.append((round(time.time() * 1000), purge, line))

    def close(self) -> None:
        """There is nothing to end."""
