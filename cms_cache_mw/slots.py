"""How many renders of one process the application bears at once; who comes later waits for one to end."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(eq=False, slots=True)
class Slot:
    """Somebody's place among the renders; `free` is done once it has come."""

    free: Future[bool] = field(default_factory=Future)
    over: bool = False


class Slots:
    """At most `limit` renders at once, or any number without one."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.taken = 0
        self.freed: Callable[[], None] = _nobody
        """Called when a place has become free that nobody was waiting for."""
        self._queue: deque[Slot] = deque()
        self._lock = threading.Lock()

    def take(self) -> Slot:
        """A place, now or later."""
        slot = Slot()
        with self._lock:
            if self.limit is None or self.taken < self.limit:
                self.taken += 1
                slot.free.set_result(True)
            else:
                self._queue.append(slot)
        return slot

    def take_now(self) -> Slot | None:
        """A place if there is one, for a render that nobody waits for."""
        with self._lock:
            if self.limit is not None and self.taken >= self.limit:
                return None
            self.taken += 1
        slot = Slot()
        slot.free.set_result(True)
        return slot

    def give_back(self, slot: Slot) -> None:
        """Leave a place, or the queue for one; once is enough."""
        with self._lock:
            if slot.over:
                return
            slot.over = True
            if not slot.free.done():
                self._queue.remove(slot)
            elif self._queue:
                self._queue.popleft().free.set_result(True)
                return
            else:
                self.taken -= 1
        self.freed()

    @property
    def room(self) -> bool:
        """Whether one more render could begin at once."""
        return self.limit is None or self.taken < self.limit

    @property
    def waiting(self) -> int:
        """Renders that wait for a place."""
        return len(self._queue)


def _nobody() -> None:
    """Nobody wants to know."""
