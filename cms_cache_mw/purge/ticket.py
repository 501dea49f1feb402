"""Purges on their way: what was asked for, how far it has come, and the queue of those that Redis has not recorded yet."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.purge.ledger import Motive
    from cms_cache_mw.purge.wire import Kind

MAX_PENDING: Final = 10_000
"""Fingerprints that one purge may name; with more it is a purge of everything."""
SHOWN: Final = 20
"""Targets that a warning names."""


def promise() -> Future[bool]:
    """A future that those who wait for it cannot cancel, for many may wait for the same."""
    future: Future[bool] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(eq=False, slots=True)
class Ticket:
    """A purge on its way: recorded, then done. Calls that come close together share one."""

    prints: set[int]
    kind: Kind = "hard"
    grace: float = 0.0
    began: float = 0.0
    names: set[str] = field(default_factory=set)
    """What was purged, for people."""
    motives: list[Motive] = field(default_factory=list)
    """Who wants it and why, of as many calls as are worth telling."""
    epoch: int = 0
    seq: int = 0
    settled: bool = False
    """Whether acknowledgements prove anything: in a new epoch leases of the old one may still run (2.11)."""
    certain_at: float = 0.0
    """The instant, on this worker's clock, at which the purge is done at the latest."""
    done_at: float = 0.0
    evicted: tuple[str, ...] = ()
    """Workers that did not acknowledge it for a whole lease."""
    waiting_for: tuple[str, ...] = ()
    """Workers that had not acknowledged it when that was last looked at."""
    slow: set[str] = field(default_factory=set)
    """Workers that were ever waited for for long."""
    trouble: str = ""
    recorded: Future[bool] = field(default_factory=promise)
    done: Future[bool] = field(default_factory=promise)

    @property
    def waited(self) -> float:
        """Seconds from the first call until it was done."""
        return self.done_at - self.began

    def finish(self, now: float) -> None:
        """Tell everybody that it is done."""
        self.done_at, self.trouble, self.waiting_for = now, "", ()
        self.done.set_result(True)


class Unrecorded:
    """Tickets that wait to be recorded. Its owner's lock guards it."""

    def __init__(self, everything: int) -> None:
        self._everything = everything
        self._queue: deque[Ticket] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def purges(self) -> int:
        """How many of them somebody asked for."""
        return sum(ticket.kind != "noop" for ticket in self._queue)

    def add(
        self,
        prints: Iterable[int],
        kind: Kind,
        grace: float,
        names: Iterable[str],
        now: float,
        *,
        motive: Motive | None = None,
    ) -> Ticket:
        """The ticket of a call: one that waits already if it is for the same kind of purge, else a new one.

        While Redis is away they grow together, and past 10,000 fingerprints become a purge of everything.
        """
        wanted = set(prints)
        ticket = self._joinable(kind, grace, len(wanted))
        if ticket is None:
            ticket = Ticket(set(), kind, grace, began=now)
            self._queue.append(ticket)
        ticket.prints |= wanted
        ticket.names.update(names)
        if motive and len(ticket.motives) < SHOWN:
            ticket.motives.append(motive)
        if len(ticket.prints) > MAX_PENDING:
            ticket.prints = {self._everything}
        return ticket

    def take(self) -> Ticket:
        """The ticket that has waited longest."""
        return self._queue.popleft()

    def give_back(self, ticket: Ticket, *, first: bool = True) -> None:
        """Put a ticket back, to be tried again, before the others or after them."""
        if first:
            self._queue.appendleft(ticket)
        else:
            self._queue.append(ticket)

    def repeat(self, tickets: Iterable[Ticket]) -> None:
        """Take in tickets whose record was lost."""
        self._queue.extend(tickets)

    def named(self) -> tuple[int, str]:
        """How many targets wait, and the first of them by name, or by fingerprint where no name is known."""
        names = [name for ticket in self._queue for name in sorted(ticket.names) or _hexadecimal(ticket.prints)]
        return len(names), ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")

    def _joinable(self, kind: Kind, grace: float, more: int) -> Ticket | None:
        for ticket in self._queue:
            if (ticket.kind, ticket.grace) != (kind, grace) or ticket.epoch:
                continue
            # As long as Redis answers a crowd of purges is spread over several; it is not worth a cold cache.
            if ticket.trouble or len(ticket.prints) + more <= MAX_PENDING:
                return ticket
        return None


def _hexadecimal(prints: Iterable[int]) -> list[str]:
    return [f"{value:016x}" for value in sorted(prints)]
