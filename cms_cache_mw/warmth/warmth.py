"""Keeps one process warm, on a thread of its own: loads at the start, renews what expires or was purged, runs errands.

The thread finds out by itself what is used, from the counts that entries keep anyway, so that a hit pays nothing for it. It
asks the application by requests of nobody's, never more at once than `Pace` allows, and does nothing while the worker cannot
prove that it is up to date. Visitors, the start and the end of the process wait for none of it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.warmth.aftermath import Aftermath
from cms_cache_mw.warmth.ahead import Ahead
from cms_cache_mw.warmth.renewal import LOOKED, Outcome, Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.engine import Engine
    from cms_cache_mw.switching.flags import Flags
    from cms_cache_mw.warmth.errands import Errands
    from cms_cache_mw.warmth.pace import Pace
    from cms_cache_mw.warmth.renewal import Application, Renewal
    from cms_cache_mw.warmth.start import Start
    from cms_cache_mw.warmth.use import Use

log: Final = logging.getLogger("cms_cache_mw")

PULSE: Final = 0.2
"""Seconds after which the thread looks whether anything was purged."""
SCAN: Final = 5.0
"""Seconds between two looks at all that memory holds."""
AT_ONCE: Final = 8
"""Wishes that Redis is asked for together."""
TURN: Final = 200
"""Wishes looked at before the thread looks around."""
LEAVE: Final = 1.0
"""Seconds that the end waits for the thread."""


class Warmth:
    """What keeps a process warm. `refreshes` is how many pages are refreshed at once before they expire, 0 for none ever."""

    def __init__(
        self,
        engine: Engine,
        renewal: Renewal,
        pace: Pace,
        use: Use,
        errands: Errands,
        *,
        flags: Flags,
        changed: threading.Event,
        settle: Callable[[], None],
        start: Callable[[], Start] | None,
        refreshes: int,
    ) -> None:
        self.errands, self._flags = errands, flags
        self._engine, self._renewal, self._pace, self._use = engine, renewal, pace, use
        self._settle = settle
        """Called on the thread before anything else."""
        self._changed, self._new_start, self._refreshes = changed, start, refreshes
        self._start = start() if start else None
        self._ahead, self._aftermath = Ahead(), Aftermath(engine.worker.clock)
        engine.levels.renewed = self._aftermath.renewed
        self._purged: deque[Wish] = deque()
        self._later: deque[Wish] = deque()
        self._next_up: deque[Wish] = deque()
        """Those that have been looked for, and need a render."""
        self._refreshing = 0
        self._scanned = engine.now()
        self._epoch = 0
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self, application: Application | None) -> None:
        """Begin to keep warm; `application` is what pages are rendered by, `None` where only Redis can give any."""
        self._renewal.application = application
        if self._thread is None and not self._stopping:
            self._thread = threading.Thread(target=self._run, name="cms-cache-warmth", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; what is under way is given up."""
        self._stopping = True
        self._changed.set()
        if self._renewal.application:
            self._renewal.application.end()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(LEAVE)

    def wake(self) -> None:
        """There is something to be done."""
        self._changed.set()

    @property
    def refusal(self) -> str:
        """Why nothing can be rendered in the background here; empty where it can."""
        application = self._renewal.application
        return application.refusal if application else "this cache is behind no application"

    def stats(self) -> dict[str, Any]:
        """What was done and is to be done, for JSON."""
        start = self._start
        return {
            "start": {
                "state": start.state if start else "off",
                "parts": start.parts if start else 0,
                "pages": start.pages if start else 0,
                "bytes": start.bytes if start else 0,
                "seconds": round(start.seconds, 3) if start else 0.0,
                "to_render": len(start.missing) if start else 0,
            },
            **self._renewal.counts,
            "rendering": self._pace.running,
            "at_most": self._pace.allowed,
            "paused": self._pace.paused(self._engine.now()),
            "pauses": self._pace.pauses,
            "expiring": len(self._ahead),
            "purged": len(self._purged),
            "needless": dict(self._aftermath.needless.most_common(20)),
            "errands": self.errands.all(),
        }

    def turn(self, now: float) -> None:
        """Do what is due at an instant, and begin what there is room for."""
        self._renewal.settle()
        clock = self._engine.worker.clock
        if not (clock.holds(now) and self._flags.warmth):
            self._forgo()
            return
        self._begin_anew(clock.state.epoch)
        if self._aftermath.due(now):
            wishes = self._aftermath.look(self._use.pages(), now)
            if self._refreshes:
                places = {wish.place for wish in wishes}
                kept = [wish for wish in self._purged if wish.place not in places]
                self._purged = deque(sorted([*wishes, *kept]))
        if now - self._scanned >= SCAN:
            self._scanned = now
            self._use.feed()
            if self._refreshes:
                self._ahead.scan(self._use.pages(), now, now + SCAN)
        self._dispatch(now)

    def _run(self) -> None:
        self._settle()
        while not self._stopping:
            try:
                self.turn(self._engine.now())
            except Exception as error:
                log.error("keeping warm failed", exc_info=error)  # noqa: TRY400 - the same in other words
            self._changed.wait(PULSE)
            if not self._stopping:
                self._changed.clear()
        self._ended()

    def _ended(self) -> None:
        self._forgo()
        if self._engine.worker.clock.holds(self._engine.now()):
            try:
                self._use.feed()
                self.errands.stop()
            except Exception as error:  # noqa: BLE001 - the same
                log.debug("the last counts were not noted: %r", error)

    def _begin_anew(self, epoch: int) -> None:
        """Load once in each history of the purge clock: the memory of another one is gone."""
        if self._new_start is None or epoch == self._epoch or not self._use.kept:
            return
        self._epoch = epoch
        self._start = self._new_start()
        self._start.run(lambda: self._stopping)

    def _dispatch(self, now: float) -> None:
        for _ in range(TURN):
            room = self._renewal.room(now)
            known = bool(self._next_up) and self._engine.now() - self._next_up[0].looked <= LOOKED
            if self._stopping or not (room or known or not self._next_up):
                self._forgo()
                return
            if known and not room:
                return
            if known:
                wish = self._next_up.popleft()
                self._came(wish, self._renewal.begin(wish), now)
            elif not self._look(now):
                return
        self._changed.set()

    def _forgo(self) -> None:
        """Let other workers have what there is no room for."""
        for wish in self._next_up:
            self._renewal.forgo(wish)

    def _look(self, now: float) -> bool:
        """Look for the next wishes, or once more for those that had to wait; false where nothing is wished for."""
        wishes = list(self._next_up) or list(islice(iter(partial(self._next, now), None), AT_ONCE))
        self._next_up.clear()
        for wish, outcome in self._renewal.look(wishes):
            if outcome is None:
                self._next_up.append(wish)
            else:
                self._came(wish, outcome, now)
        return bool(wishes)

    def _came(self, wish: Wish, outcome: Outcome, now: float) -> None:
        if outcome is Outcome.LATER and wish.told is None and wish.again(now):
            self._later.append(wish)

    def _next(self, now: float) -> Wish | None:
        """What is worth most: what was purged, what expires, what was missing at the start, what somebody asked for."""
        if self._later and self._later[0].not_before <= now:
            return self._later.popleft()
        if self._purged:
            return self._purged.popleft()
        if self._refreshing < self._refreshes and (wish := self._ahead.take(now)):
            self._refreshing += 1
            wish.told = self._refreshed
            return wish
        application = self._renewal.application
        if application is None or not application.ready:
            return None
        if self._start and self._start.missing:
            if len(self._start.missing) == 1:
                log.info("warm: the last of the missing pages is being rendered")
            return self._start.missing.pop(0)
        return self.errands.take(now)

    def _refreshed(self, wish: Wish, outcome: Outcome) -> None:
        """Another worker that refreshes a page puts it into Redis: it is fetched from there when that is due."""
        self._refreshing -= 1
        wish.told = None
        if outcome is Outcome.LATER and wish.again(self._engine.now()):
            self._later.append(wish)
