"""This process as a member of the namespace: its clock, its follower and its purges, started when first needed.

Without Redis the same with a local clock, where a purge reaches this process only.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

from cms_cache_mw.purge.barrier import Barrier
from cms_cache_mw.purge.clock import Clock
from cms_cache_mw.purge.follower import Follower
from cms_cache_mw.purge.link import Link, check_call, packed
from cms_cache_mw.purge.local import LocalBarrier
from cms_cache_mw.stores.ticker import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.purge.barrier import Ticket
    from cms_cache_mw.purge.link import Identity
    from cms_cache_mw.stores.guard import Breaker
    from cms_cache_mw.stores.shared import Shared


class Worker:
    """The purge clock's member in this process. `reset` is called when all that memory holds became worthless."""

    def __init__(
        self,
        url: str | None,
        namespace: str,
        *,
        everything: int,
        lease: float,
        identity: Identity = "info",
        reset: Callable[[], None],
        breaker: Breaker,
        now: Callable[[], float] = boottime,
    ) -> None:
        self.clock = Clock()
        self.lease = lease
        self.scope: Literal["everywhere", "process"] = "everywhere" if url else "process"
        self.follower: Follower | None = None
        self._barrier: Barrier | LocalBarrier | None = None
        self._lock = threading.Lock()
        self._url, self._namespace, self._identity = url, namespace, identity
        self._everything, self._reset, self._breaker, self._now = everything, reset, breaker, now
        if not url:
            self._barrier = LocalBarrier(self.clock, now=now)

    def start(self) -> None:
        """Begin to follow the purge log; does nothing where that is under way."""
        if not self._url or self.follower:
            return
        with self._lock:
            if self.follower is None:
                self.follower = Follower(
                    self.clock, self.link, lease=self.lease, reset=self._reset, breaker=self._breaker, now=self._now
                )
                self.follower.start()

    def purge(
        self, prints: Iterable[int], *, kind: Literal["hard", "soft", "noop"] = "hard", grace: float = 0.0
    ) -> Ticket:
        """Begin a purge; the ticket tells when it is recorded and when it is done."""
        with self._lock:
            if self._barrier is None:
                self._barrier = Barrier(self.link, lease=self.lease, everything=self._everything, now=self._now)
        return self._barrier.purge(prints, kind=kind, grace=grace)

    @property
    def unrecorded(self) -> int:
        """Purges that Redis has not taken yet."""
        return self._barrier.unrecorded if self._barrier else 0

    async def validated(self, shared: Shared, entry: Entry, within: float) -> int | None:
        """The position up to which the server knows an entry to be valid, for one older than this worker remembers."""
        script, keys, arguments = check_call(
            self._namespace, self._identity, entry.epoch, entry.base, packed(entry.prints)
        )
        found = await shared.run(script, keys, arguments, within)
        return int(found[1]) if isinstance(found, list) and found[0] == b"OK" else None

    def link(self, timeout: float) -> Link:
        """A connection of its own to the purge clock, for one thread."""
        assert self._url is not None
        return Link(self._url, self._namespace, identity=self._identity, timeout=timeout)

    def stop(self) -> None:
        """Stop serving from the cache, leave the registry, end the threads."""
        if self.follower:
            self.follower.stop()
        if self._barrier:
            self._barrier.close()
