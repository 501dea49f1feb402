"""How a request passes through memory, Redis, one flight and the application.

`lookup` is a plain function and answers what memory can; `fetch` is a coroutine for the rest. Either gives an `Answer`, or a
`Recorder` through which the shell calls the application. What may be stored, served and shared is decided in `core.policy`,
what is still valid by the purge clock; here it is only done.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from cms_cache_mw.core import policy, vary
from cms_cache_mw.core.answer import Answer, select
from cms_cache_mw.core.invalidation import invalidated
from cms_cache_mw.core.keys import Asked, Refused, shown_path
from cms_cache_mw.core.policy import Bypass, Fetch, Refuse, Revalidate, Serve
from cms_cache_mw.core.status import HIT_MEMORY, HIT_SHARED, Reason, append, refused, write
from cms_cache_mw.flight import NOTHING, PATIENCE, Flight, Follow, Landing, Lead
from cms_cache_mw.levels import Found
from cms_cache_mw.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.core.entry import Entry, Key
    from cms_cache_mw.core.keys import Keys
    from cms_cache_mw.core.message import Head, Request
    from cms_cache_mw.core.rules import Rules
    from cms_cache_mw.core.tags import TagError
    from cms_cache_mw.flight import Flights, Place
    from cms_cache_mw.levels import Levels
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.runtime import Runtime

log: Final = logging.getLogger("cms_cache_mw")

FIRST_LEASE: Final = 0.1
"""Seconds that the first request waits for the first lease."""
COOKIE_NAMES: Final = 1_000
UNCACHEABLE_SECONDS: Final = 5.0
UNCACHEABLE_KEYS: Final = 4_096
WARNED_ROUTES: Final = 1_000
_WHOLE: Final = frozenset({Reason.HEAD, Reason.RANGE})
"""Reasons to bypass that go away when the whole is found in Redis."""
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since", b"range", b"if-range"})


@dataclass(frozen=True, slots=True)
class Sought:
    """A request that memory could not answer, and what it found all the same."""

    asked: Asked
    found: Found


@dataclass(frozen=True, slots=True)
class Stale:
    """An answer that is stale, and the render that is to replace it, unless one is under way."""

    answer: Answer
    refresh: Recorder | None


Step: TypeAlias = Answer | Stale | Recorder
Land: TypeAlias = "Callable[[Landing], None]"


class Engine:
    """The parts of a cache at work. `now` counts seconds on the clock of leases and ages, `wall` since 1970."""

    def __init__(
        self,
        *,
        rules: Rules,
        keys: Keys,
        levels: Levels,
        worker: Worker,
        flights: Flights,
        runtime: Runtime,
        collecting_bytes: int,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.rules, self.keys, self.levels, self.worker = rules, keys, levels, worker
        self.flights, self.runtime, self.now, self.wall = flights, runtime, now, wall
        self.counts: Counter[str] = Counter()
        """Answers by reason."""
        self.cookies: Counter[str] = Counter()
        """Bypasses by the cookie that caused them, for at most 1,000 names."""
        self.collected = 0
        """Bytes of copies being collected."""
        self.outdated: Callable[[Request, tuple[bytes, ...]], None] | None = None
        """Told which URLs the answer to an unsafe request outdated."""
        self._collecting_bytes = collecting_bytes
        self._waited = False
        self._uncacheable: dict[Key, float] = {}
        self._warned: set[str] = set()

    def lookup(self, request: Request) -> Step | Sought:
        """The answer from memory, or a recorder for a request that is none of ours, or what `fetch` needs."""
        asked = self.keys.ask(request)
        if isinstance(asked, Refused):
            self._note_cookie(asked.detail)
            return Recorder(self, request, policy.bypass(request, self.rules) or asked.reason)
        now = self.now()
        found = self.levels.held(asked, now)
        if found.entry is None:
            reason = policy.bypass(request, self.rules)
            return Recorder(self, request, reason) if reason else Sought(asked, found)
        match policy.before(asked.request, found.entry, self.rules, now):
            case Serve() as serve:
                return self._served(asked, found, serve, now)
            case Bypass(reason=reason) if reason not in _WHOLE:
                return Recorder(self, request, reason)
        return Sought(asked, found)

    async def fetch(self, sought: Sought) -> Step:
        """The answer from Redis or from somebody else's render, or a recorder for an own one."""
        asked, arrived = sought.asked, self.now()
        await self._first_lease()
        if asked.anonymous or not _whole(asked.request) or self._known_uncacheable(asked.key, arrived):
            return await self._own(sought)
        boarding: Lead | Follow | None = self._board(asked)
        late = False
        while isinstance(boarding, Follow):
            flight = boarding.flight
            if await self.runtime.wait(flight.landing, PATIENCE):
                delivered = self._delivered(asked, flight, arrived)
                if delivered is None:
                    return await self._own(sought)
                if not isinstance(delivered, Flight):
                    return delivered
                boarding = self._board(asked)
            elif late:
                boarding = None
            else:
                late, boarding = True, self.flights.second(flight.place, self.now())
        if boarding:
            return await self._led(sought, boarding)
        return await self._alone(sought, (asked.key, self.levels.variant(asked)))

    def present(self, entry: Entry, request: Request, item: bytes) -> Answer:
        """An entry as an answer, with its Cache-Status item."""
        answer = select(entry, request, self.now(), self.wall())
        return Answer(answer.status, append(answer.fields, item), answer.body)

    def keep(self, key: Key, entry: Entry, names: tuple[bytes, ...]) -> None:
        """Hold an entry in memory now, and write it to Redis without anybody waiting."""
        if self.levels.keep(key, entry, names):
            self.runtime.spawn(self.levels.share(key, entry, names))

    def count(self, reason: Reason) -> None:
        """Count an answer, or why one was not stored."""
        self.counts[reason] += 1

    def collect(self, size: int) -> bool:
        """Room for a copy of `size` more bytes; false where the copies have used up their share. Negative gives back."""
        if size > 0 and self.collected + size > self._collecting_bytes:
            return False
        self.collected += size
        return True

    def passed(self, request: Request, head: Head, reason: Reason) -> None:
        """Note the answer to a request that bypassed."""
        self.count(reason)
        if self.outdated and (targets := invalidated(request, head)):
            self.outdated(request, targets)

    def note_uncacheable(self, key: Key) -> None:
        """Remember for some seconds that what comes for this key cannot be stored, so that nobody queues for it."""
        while len(self._uncacheable) >= UNCACHEABLE_KEYS:
            self._uncacheable.pop(next(iter(self._uncacheable)), None)
        self._uncacheable[key] = self.now() + UNCACHEABLE_SECONDS

    def warn_tags(self, asked: Asked, error: TagError) -> None:
        """Say once per path that a response cannot be stored for its tags."""
        route = f"{asked.site}{shown_path(asked.request)}"
        if route not in self._warned and len(self._warned) < WARNED_ROUTES:
            self._warned.add(route)
            log.warning("%s is served but not stored: %s", route, error)

    def _served(self, asked: Asked, found: Found, serve: Serve, now: float) -> Answer | Stale:
        template = HIT_SHARED if found.shared else HIT_MEMORY
        answer = self.present(serve.entry, asked.request, template % serve.entry.remaining(now))
        self.counts["shared" if found.shared else "memory"] += 1
        if serve.refresh or found.reason is Reason.SOFT_PURGED:
            self.count(Reason.STALE)
            return Stale(answer, self._refresher(asked, serve.entry))
        self.count(Reason.HIT)
        return answer

    def _refresher(self, asked: Asked, entry: Entry) -> Recorder | None:
        """A recorder for the render that replaces a stale entry, unless one is on its way."""
        boarding = self.flights.board((asked.key, entry.variant), self.now(), leased=True)
        if isinstance(boarding, Follow):
            return None
        wanted = replace(asked, request=replace(asked.request.without(_CONDITIONS), method="GET"))
        return self._recorder(wanted, entry, Reason.STALE, partial(self.flights.leave, boarding.flight))

    def _recorder(self, asked: Asked, entry: Entry | None, reason: Reason, land: Land | None) -> Recorder:
        """A recorder that asks the application about the entry if it can be asked, and else for a new one."""
        if entry and policy.validators(entry):
            request = policy.to_validate(asked.request, entry, self.rules)
        else:
            request = policy.to_fetch(asked.request, self.rules)
        return Recorder(self, request, reason, asked, entry=entry, land=land)

    async def _led(self, sought: Sought, lead: Lead) -> Step:
        """At the head of a flight: Redis first, then the application."""
        flight = lead.flight
        try:
            if lead.after:
                await self.runtime.wait(lead.after.landing, PATIENCE)
                self.flights.depart(flight, self.now())
            return await self._own(sought, partial(self.flights.leave, flight))
        except BaseException:
            self.flights.leave(flight)
            raise

    async def _alone(self, sought: Sought, place: Place) -> Step:
        """A render beside two flights that take long, at most eight at once; an entry that comes meanwhile will do."""
        turn = self.flights.queue(place)
        try:
            while not await self.runtime.wait(turn.come, 0.25):
                found = self.levels.held(sought.asked, now := self.now())
                serve = found.entry and policy.before(sought.asked.request, found.entry, self.rules, now)
                if isinstance(serve, Serve):
                    self.flights.give_back(turn)
                    return self._served(sought.asked, found, serve, now)
            return await self._own(sought, lambda _: self.flights.give_back(turn))
        except BaseException:
            self.flights.give_back(turn)
            raise

    async def _own(self, sought: Sought, land: Land | None = None) -> Step:
        """The answer from Redis, else a recorder for this request; `land` is told what came of it."""
        asked, found = sought.asked, sought.found
        if found.reason is not Reason.SOFT_PURGED:
            shared = await self.levels.fetched(asked, found.reason)
            found = shared if shared.entry or not found.entry else found
        now = self.now()
        missed = found.reason if self.worker.clock.holds(now) else Reason.UNSURE
        decision = policy.before(asked.request, found.entry, self.rules, now, missed=missed)
        match decision:
            case Serve():
                if land:
                    land(Landing(decision.entry, shared=True))
                return self._served(asked, found, decision, now)
            case Revalidate(reason=reason) | Fetch(reason=reason):
                return self._recorder(asked, found.entry, reason, land)
            case Bypass(reason=reason):
                step: Step = Recorder(self, asked.request, reason)
            case Refuse(reason=reason):
                self.count(reason)
                step = Answer(504, ((b"content-length", b"0"), (b"cache-status", refused())), ())
            case _:
                assert_never(decision)
        if land:
            land(NOTHING)
        return step

    def _delivered(self, asked: Asked, flight: Flight, arrived: float) -> Answer | Stale | Flight | None:
        """What a flight brought for one who waited: an answer; the flight itself, to try again; `None`, to render alone.

        What may be taken is decided now, by the clock. A render that began after the asker arrived is always new enough.
        """
        landing, now = flight.landing.result(), self.now()
        entry = landing.entry
        if entry is None:
            return None if landing.uncacheable else flight
        why = self.worker.clock.check(entry, now)
        if why not in {None, Reason.SOFT_PURGED} and (landing.shared or flight.begun < arrived):
            return flight
        names = tuple(name for name, _ in entry.variant)
        if vary.variant(asked.request, names, self.rules) != entry.variant:
            return flight if self.levels.variant(asked) != flight.place[1] else None
        serve = policy.before(asked.request, entry, self.rules, now)
        if not isinstance(serve, Serve):
            return None
        if landing.shared:
            return self._served(asked, Found(entry, why or Reason.HIT, shared=True), serve, now)
        self.count(Reason.URI_MISS)
        self.counts["collapsed"] += 1
        return self.present(entry, asked.request, write(Reason.URI_MISS, collapsed=True))

    def _board(self, asked: Asked) -> Lead | Follow:
        now = self.now()
        return self.flights.board((asked.key, self.levels.variant(asked)), now, leased=self.worker.clock.holds(now))

    def _known_uncacheable(self, key: Key, now: float) -> bool:
        until = self._uncacheable.get(key)
        if until is None:
            return False
        if now >= until:
            self._uncacheable.pop(key, None)
        return now < until

    def _note_cookie(self, name: str) -> None:
        if name and (name in self.cookies or len(self.cookies) < COOKIE_NAMES):
            self.cookies[name] += 1

    async def _first_lease(self) -> None:
        """Give a worker that has just started the chance to be sure before it asks the application."""
        follower = self.worker.follower
        if follower and not follower.leased.done() and not self._waited:
            await self.runtime.wait(follower.leased, FIRST_LEASE)
            self._waited = True


def _whole(request: Request) -> bool:
    """Whether a whole page is asked for, which a flight can bring."""
    return request.method == "GET" and not any(name == b"range" for name, _ in request.fields)
