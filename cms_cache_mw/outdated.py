"""What visitors' unsafe requests outdate: gone in this worker at once, in the others by purges that nobody waits for.

A flood of such requests is merged, so that it costs the purge clock a few records a second and no more.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Final

from cms_cache_mw.allowance import OUTDATED_A_SECOND, OUTDATED_AT_ONCE, Bucket
from cms_cache_mw.core.invalidation import invalidated, invalidated_groups, origin, unsafe
from cms_cache_mw.core.keys import normal_path, shown_query
from cms_cache_mw.core.tags import group_print, url_print
from cms_cache_mw.purge.ledger import Motive

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.core.keys import Keys
    from cms_cache_mw.core.message import Head, Request
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.runtime import Runtime
    from cms_cache_mw.switching.flags import Flags

UNSAFE: Final = Motive("visitors", "answers to unsafe requests")
MOST_PENDING: Final = 10_000
"""Fingerprints that wait to be recorded; beyond them unsafe requests outdate nothing, which only a flood comes to."""
SLOWEST: Final = 0.2
"""Seconds between records while there is a flood."""


class Outdated:
    """Purges by unsafe requests, one record each `interval` seconds at most."""

    def __init__(
        self,
        worker: Worker,
        runtime: Runtime,
        keys: Keys,
        *,
        interval: float,
        flags: Flags,
        now: Callable[[], float],
    ) -> None:
        self._flags = flags
        self._worker, self._runtime, self._keys = worker, runtime, keys
        self._interval, self._now = interval, now
        self._bucket = Bucket(OUTDATED_AT_ONCE, OUTDATED_A_SECOND)
        self._pending: dict[int, None] = {}
        self._next = 0.0
        self._lock = threading.Lock()

    def __call__(self, request: Request, head: Head) -> None:
        """Purge what a request outdates, if it is unsafe and its answer says that it was carried out."""
        prints = self._prints(request, head) if self._flags.unsafe_purges and unsafe(request, head) else None
        if not prints or len(self._pending) > MOST_PENDING:
            return
        self._worker.clock.outdate(prints)
        with self._lock:
            waiting = bool(self._pending)
            self._pending.update(dict.fromkeys(prints))
            delay = self._next - self._now()
        if delay <= 0:
            self._flush()
        elif not waiting:
            self._runtime.later(delay, self._flush)

    def _flush(self) -> None:
        with self._lock:
            now = self._now()
            # The clock remembers so many purges: a flood is recorded little by little, lest it drive out the editors'.
            prints = list(islice(self._pending, self._bucket.take(now, len(self._pending))))
            for found in prints:
                del self._pending[found]
            delay = max(self._interval, SLOWEST) if self._pending else self._interval
            self._next = now + delay
            left = bool(self._pending)
        if prints:
            self._worker.purge(prints, motive=UNSAFE)
        if left:
            self._runtime.later(delay, self._flush)

    def _prints(self, request: Request, head: Head) -> set[int]:
        site = self._keys.site_of((request.value(b"host") or b"").decode("latin-1"))
        if site is None:
            return set()
        found = {group_print(origin(request), group) for group in invalidated_groups(request, head)}
        for target in invalidated(request, head):
            path, _, query = target.partition(b"?")
            shown = shown_query(self._keys.query_of(query))
            found.add(url_print(site, normal_path(path.decode("utf-8", "surrogateescape")), shown or None))
        return found
