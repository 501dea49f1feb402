"""One page rendered for nobody, by one worker of all: what visitors will ask for is there before they do.

The order is that of any miss: memory, Redis, the fill lock, the flight, a place among the renders. But nothing is waited for,
since visitors go first: a page that somebody else is rendering, or that the application has no room for, is tried again later.
The recorder takes the clock's position before the application is asked, like anyone's.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from cms_cache_mw.core import policy
from cms_cache_mw.core.keys import key_digest
from cms_cache_mw.core.status import Reason
from cms_cache_mw.flight import NOTHING, Follow
from cms_cache_mw.recorder import Recorder
from cms_cache_mw.runtime import drive
from cms_cache_mw.stores import guard
from cms_cache_mw.stores.memory import Variants
from cms_cache_mw.warmth.sitemap import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.keys import Asked
    from cms_cache_mw.engine import Engine
    from cms_cache_mw.flight import Landing
    from cms_cache_mw.warmth.errand import Errand
    from cms_cache_mw.warmth.pace import Pace
    from cms_cache_mw.warmth.place import Nobody, Place

AGAIN: Final = 0.25
"""Seconds after which a page is looked at again that somebody else seems to be rendering."""
TRIES: Final = 40
LOOKED: Final = 0.1
"""Seconds for which it is believed that a page is not there, and for which it stays claimed without a render."""


class Application(Protocol):
    """The application as the background reaches it: in this process, by requests that no client sent."""

    @property
    def ready(self) -> bool:
        """Whether it is known how the server presents requests, and the application bears them beside visitors'."""

    @property
    def refusal(self) -> str:
        """Why the application is not asked in the background, where it never is."""

    def render(self, recorder: Recorder) -> Future[None]:
        """Let it answer through a recorder, which is closed in the end."""

    def read(self, recorder: Recorder, most: int) -> Future[tuple[int, bytes]]:
        """Status and body of its answer, or an exception where the body is longer than `most` bytes."""

    def end(self) -> None:
        """Give up what is under way; nobody waits for it."""


class Outcome(Enum):
    """What came of a wish."""

    HELD = "held"
    """It is at hand, without a render."""
    RENDERED = "rendered"
    FAILED = "failed"
    """The application failed, or gave something that cannot be stored."""
    UNKNOWN = "unknown"
    """No request of nobody's leads there."""
    LATER = "later"
    """Somebody else renders it, or there is no room."""
    UNDER_WAY = "under way"


@dataclass(slots=True)
class Wish:
    """A page that is to be at hand. `value` is what it is worth, `least` the seconds of freshness it has to have left."""

    place: Place
    site: str
    value: float = 0.0
    usual: float = 0.0
    """Seconds that its render took before; 0 where nobody knows."""
    least: float = 0.0
    validate: bool = False
    """Whether the application may say that what is stored is still good; not after a purge."""
    looked: float = -inf
    """When it was looked for in vain, and claimed."""
    tries: int = 0
    not_before: float = 0.0
    told: Callable[[Wish, Outcome], None] | None = field(default=None, repr=False)

    @property
    def digest(self) -> bytes:
        """What the place is called in Redis."""
        return key_digest(*self.place)

    def again(self, now: float) -> bool:
        """Whether it is worth another try, a moment later."""
        self.tries += 1
        self.not_before, self.looked = now + AGAIN, -inf
        return self.tries <= TRIES

    def __lt__(self, other: Wish) -> bool:
        return self.value > other.value


class Renewal:
    """Makes wishes come true. `changed` is called when a render has ended."""

    def __init__(self, engine: Engine, nobody: Nobody, pace: Pace, changed: Callable[[], None]) -> None:
        self._engine, self._nobody, self._pace, self._changed = engine, nobody, pace, changed
        engine.origin.slots.freed = changed
        self.application: Application | None = None
        self.counts = {outcome.value: 0 for outcome in (Outcome.HELD, Outcome.RENDERED, Outcome.FAILED)}
        self._over: deque[tuple[Wish, Outcome]] = deque()

    def room(self, now: float) -> bool:
        """Whether one more render may begin: visitors have the first claim to the application."""
        return self._pace.room(now) and self._engine.origin.slots.room

    def held(self, wish: Wish) -> bool:
        """Whether memory has what is wished for."""
        entry, now = self.entry(wish.place), self._engine.now()
        return entry is not None and self._engine.worker.clock.check(entry, now) is None and _lasts(entry, wish, now)

    def entry(self, place: Place) -> Entry | None:
        """What memory has at a place, valid or not."""
        slot = self._engine.levels.memory.get(place[0])
        return slot.entries.get(place[1]) if isinstance(slot, Variants) else slot if not place[1] else None

    def load(self, wishes: Sequence[Wish]) -> list[int]:
        """The bytes that memory has gained by what Redis has of each wish; 0 where there is nothing."""
        levels, now = self._engine.levels, self._engine.now()
        gained: list[int] = []
        found = drive(levels.shared([(wish.site, wish.digest) for wish in wishes], now + guard.TIMEOUT))
        for wish, entry in zip(wishes, found, strict=True):
            lasts = entry is not None and _lasts(entry, wish, now)
            if entry and lasts:
                levels.adopt(wish.place[0], entry)
            gained.append(max(1, entry.size) if entry and lasts else 0)
        return gained

    def begin(self, wish: Wish) -> Outcome:
        """Begin what a wish needs; it is told what came of it, now or later."""
        outcome = self._begun(wish)
        if outcome is not Outcome.UNDER_WAY:
            self.forgo(wish)
            self._tell(wish, outcome)
        return outcome

    def look(self, wishes: Sequence[Wish]) -> Iterator[tuple[Wish, Outcome | None]]:
        """What came of each wish without a render, which it is told; nothing of those that need one, which are claimed.

        That is done before there is room for renders, for several at once, so that no place stands empty meanwhile.
        """
        missing = [wish for wish in wishes if not self.held(wish)]
        loaded = {id(wish) for wish, size in zip(missing, self.load(missing), strict=True) if size}
        needed = [wish for wish in missing if id(wish) not in loaded]
        claims = drive(self._engine.origin.claim_ahead([wish.digest for wish in needed]))
        others = {id(wish) for wish, claimed in zip(needed, claims, strict=True) if not claimed}
        rendered = {id(wish) for wish in needed} - others
        now = self._engine.now()
        for wish in wishes:
            outcome = None if id(wish) in rendered else Outcome.LATER if id(wish) in others else Outcome.HELD
            wish.looked = -inf if outcome else now
            if outcome:
                self._tell(wish, outcome)
            yield wish, outcome

    def forgo(self, wish: Wish) -> None:
        """Give back what a look has claimed: there is no room, and another worker may have some."""
        wish.looked = -inf
        self._engine.origin.unclaim(wish.digest)

    def _begun(self, wish: Wish) -> Outcome:
        engine = self._engine
        asked = self._nobody.asks(wish.place, wish.site)
        if asked is None:
            return Outcome.UNKNOWN
        if engine.tally.uncacheable(asked.key, engine.now()) or (engine.gate and not engine.gate.opens(asked.request)):
            return Outcome.FAILED
        if not (self.application and self.application.ready) or not self._pace.take(engine.now()):
            return Outcome.LATER
        recorder = self._recorder(asked, wish)
        if recorder is None:
            self._pace.give_back()
            return Outcome.LATER
        self.application.render(recorder)
        return Outcome.UNDER_WAY

    def _recorder(self, asked: Asked, wish: Wish) -> Recorder | None:
        engine = self._engine
        boarding = engine.flights.board((asked.key, wish.place[1]), engine.now(), leased=True)
        if isinstance(boarding, Follow):
            return None
        left = engine.origin.enter_now(asked.key)
        if left is None:
            engine.flights.leave(boarding.flight)
            return None
        began = engine.now()

        def land(landing: Landing) -> None:
            left(landing)
            engine.flights.leave(boarding.flight, landing)
            self._ended(wish, landing, engine.now() - began)

        if not drive(engine.origin.claim(asked.key, wish.digest)):
            left(NOTHING)
            engine.flights.leave(boarding.flight)
            return None
        entry = self.entry(wish.place) if wish.validate else None
        validated = entry if entry and policy.validators(entry) else None
        request = (
            policy.to_validate(asked.request, validated, engine.rules)
            if validated
            else policy.to_fetch(asked.request, engine.rules)
        )
        return Recorder(engine, request, Reason.WARMED, asked, entry=validated, land=land)

    def read(self, errand: Errand, address: str) -> Future[tuple[int, bytes]] | None:
        """Begin to read a page of a site, which is not kept; nothing while there is no room."""
        engine, application = self._engine, self.application
        if application is None or not application.ready or not self.room(engine.now()):
            return None
        key = errand.front.key(address, errand.site, engine.keys.site_of)
        asked = None if isinstance(key, str) else self._nobody.asks((key, ()), errand.site)
        if asked is None:
            failed: Future[tuple[int, bytes]] = Future()
            failed.set_exception(ValueError(key if isinstance(key, str) else "no page of the site"))
            return failed
        future = application.read(Recorder(engine, asked.request, Reason.WARMED), MAX_BYTES)
        future.add_done_callback(lambda _: self._changed())
        return future

    def settle(self) -> None:
        """Tell the wishes whose renders have ended; on the thread that began them."""
        while self._over:
            self._tell(*self._over.popleft())

    def _ended(self, wish: Wish, landing: Landing, took: float) -> None:
        """On whatever thread the application ran."""
        stored = landing.entry is not None
        self._pace.ended(took, wish.usual, self._engine.now(), failed=not (stored or landing.uncacheable))
        self._over.append((wish, Outcome.RENDERED if stored else Outcome.FAILED))
        self._changed()

    def _tell(self, wish: Wish, outcome: Outcome) -> None:
        if outcome.value in self.counts:
            self.counts[outcome.value] += 1
        if wish.told:
            wish.told(wish, outcome)


def _lasts(entry: Entry, wish: Wish, now: float) -> bool:
    return entry.remaining(now) > wish.least and not entry.freshness.validate
