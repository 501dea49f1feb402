"""A few threads for work that nobody waits for, where there is no event loop.

They are daemons: an application that hangs in one of them keeps no process from ending, or from saying that it ends.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log: Final = logging.getLogger("cms_cache_mw")


class Aside:
    """Does what it is given in order, on at most `threads` threads, which are started when needed."""

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._most = name, threads
        self._work: deque[Callable[[], object]] = deque()
        self._busy = 0
        self._ending = False
        self._threads: set[threading.Thread] = set()
        self._changed = threading.Condition()

    def do(self, work: Callable[[], object]) -> bool:
        """Have something done, at some time; what it raises is nobody's. False where a thread cannot be started any more."""
        with self._changed:
            self._work.append(work)
            if len(self._threads) < min(self._most, self._busy + len(self._work)):
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter ends
                    if not self._threads:
                        self._work.pop()
                        return False
                else:
                    self._threads.add(thread)
            self._changed.notify()
        return True

    def finish(self, patience: float) -> bool:
        """Wait up to `patience` seconds until all is done, and let the threads go; whether it is."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._threads, patience)
            self._ending = False
        return done

    def _run(self) -> None:
        while work := self._next():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - nobody waits for it
                log.debug("failed in the background: %r", error)
            finally:
                with self._changed:
                    self._busy -= 1

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._work and not self._ending:
                self._changed.wait()
            if self._work:
                self._busy += 1
                return self._work.popleft()
            self._threads.discard(threading.current_thread())
            self._changed.notify_all()
            return None
