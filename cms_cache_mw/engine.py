"""How a request passes through memory, Redis, one flight and the application.

`lookup` is a plain function and answers what memory can; `fetch` is a coroutine for the rest. Either gives an `Answer`, or a
`Recorder` through which the shell calls the application. What may be stored, served and shared is decided in `core.policy`,
what is still valid by the purge clock; here it is only done.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from cms_cache_mw.core import coding, policy
from cms_cache_mw.core.answer import Answer, select
from cms_cache_mw.core.keys import Asked, Refused, key_digest
from cms_cache_mw.core.message import Head
from cms_cache_mw.core.policy import Bypass, Fetch, Refuse, Revalidate, Serve
from cms_cache_mw.core.status import HIT_MEMORY, HIT_SHARED, Reason, append, refused
from cms_cache_mw.core.value import Value, replace
from cms_cache_mw.depot import USABLE
from cms_cache_mw.encoding import better, gzipped
from cms_cache_mw.flight import NOTHING, Follow, Landing
from cms_cache_mw.hits import READ_AGAIN, Hits
from cms_cache_mw.levels import Found
from cms_cache_mw.merging import Merging, Permit
from cms_cache_mw.recorder import Recorder
from cms_cache_mw.stores import guard
from cms_cache_mw.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cms_cache_mw.auditing.audit import Sampled
    from cms_cache_mw.core.entry import Entry, Key
    from cms_cache_mw.core.keys import Keys
    from cms_cache_mw.core.message import Request
    from cms_cache_mw.core.rules import Rules
    from cms_cache_mw.flight import Flights
    from cms_cache_mw.fragments.placeholders import Placeholders
    from cms_cache_mw.levels import Levels
    from cms_cache_mw.origin import Origin
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.runtime import Runtime
    from cms_cache_mw.switching.flags import Flags
    from cms_cache_mw.switching.gate import Gate
    from cms_cache_mw.tally import Tally

FIRST_LEASE: Final = 0.1
"""Seconds that the first request waits for the first lease."""
_WHOLE: Final = frozenset({Reason.HEAD, Reason.RANGE})
"""Reasons to bypass that go away when the whole is found in Redis."""
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since", b"range", b"if-range"})


class Sought(Value, frozen=True):
    """A request that memory could not answer, and what it found all the same."""

    asked: Asked
    found: Found
    lacking: Entry | None = None
    """A page that could be served if its parts were at hand."""


class Stale(Value, frozen=True):
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
        tally: Tally,
        origin: Origin,
        placeholders: Placeholders,
        outdated: Callable[[Request, Head], None],
        flags: Flags,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.rules, self.keys, self.levels, self.worker = rules, keys, levels, worker
        self.flights, self.runtime, self.tally, self.now, self.wall = flights, runtime, tally, now, wall
        self.origin, self.placeholders, self.flags = origin, placeholders, flags
        self.outdated = outdated
        """Told of each answer to a request that bypassed: it may have changed what is stored."""
        self.gate: Gate | None = None
        """What keeps some requests away from the cache; nothing where it is on for all."""
        self.hits = Hits(rules, keys.cookies, levels.memory, worker.clock, tally, now=now, wall=wall)
        """Tried first, and to give the same answers: whatever is asked of a fresh hit further down is asked there too."""
        self._waited = False
        self._merging: Merging[Answer | Stale] = Merging(flights, runtime, worker.clock, now, flags)

    async def step(self, request: Request, *, gated: bool = True) -> Step | Sampled:
        """The answer to a request, or a recorder through which the application answers it; it never raises."""
        try:
            step = self.gate.lookup(request) if self.gate and gated else self.lookup(request)
            if isinstance(step, Sought) and step.lacking:
                await self.placeholders.fill(step.lacking)
                step = self.lookup(request, lacking=True)
            return await self.fetch(step) if isinstance(step, Sought) else step
        except Exception as error:  # noqa: BLE001 - a fault of the cache must not become one of the site
            self.tally.fault(error)
            return Recorder(self, request, Reason.FAULT)

    def lookup(self, request: Request, *, lacking: bool = False) -> Step | Sought:
        """The answer from memory, or a recorder for a request that is none of ours, or what `fetch` needs.

        A page whose parts are not at hand is answered only where it may be `lacking` some.
        """
        asked = self.keys.ask(request)
        if isinstance(asked, Refused):
            self.tally.note_cookie(asked.detail)
            return Recorder(self, request, policy.bypass(request, self.rules) or asked.reason)
        now = self.now()
        found = self.levels.held(asked, now)
        if found.entry is None:
            reason = policy.bypass(request, self.rules)
            return Recorder(self, request, reason) if reason else Sought(asked, found)
        match policy.before(asked.request, found.entry, self.rules, now):
            case Serve() as serve:
                if lacking or self.placeholders.ready(serve.entry, now):
                    return self.served(asked, found, serve, now)
                return Sought(asked, found, serve.entry)
            case Bypass(reason=reason) if reason not in _WHOLE:
                return Recorder(self, request, reason)
        return Sought(asked, found)

    async def fetch(self, sought: Sought) -> Step:
        """The answer from Redis or from somebody else's render, or a recorder for an own one."""
        asked, arrived = sought.asked, self.now()
        await self._first_lease()
        if asked.anonymous or not _whole(asked.request) or self.tally.uncacheable(asked.key, arrived):
            return await self._own(sought)
        admitted = await self._merging.admitted(Visitor(self, asked, arrived))
        if not isinstance(admitted, Permit):
            return admitted
        try:
            return await self._own(sought, admitted.land)
        except BaseException:
            admitted.land(NOTHING)
            raise

    def present(self, entry: Entry, request: Request, item: bytes) -> Answer:
        """An entry as an answer, with its Cache-Status item."""
        whole = self.placeholders.filled(entry) if entry.holes else entry
        answer = select(whole, request, self.now(), self.wall())
        return Answer(answer.status, append(answer.fields, item), answer.body)

    def barred(self, entry: Entry) -> Reason | None:
        """Why an entry must not stand in for an answer that came to nothing: it was looked up a while ago."""
        why = self.worker.clock.check(entry, self.now())
        return None if why in USABLE else why

    def keep(self, key: Key, entry: Entry, names: tuple[bytes, ...], *, encode: bool = False) -> bool:
        """Hold an entry in memory now, unless it was purged meanwhile; write it to Redis without anybody waiting."""
        if kept := self.levels.keep(key, entry, names):
            self.runtime.spawn(self._share(key, entry, names, encode=encode))
        else:
            self.origin.release(key)
        return kept

    def served(self, asked: Asked, found: Found, serve: Serve, now: float) -> Answer | Stale:
        """The entry that the policy wants served, and the render that replaces it if it is stale."""
        entry, template = serve.entry, HIT_SHARED if found.shared else HIT_MEMORY
        answer = self.present(entry, asked.request, template % entry.remaining(now))
        stale = serve.refresh or found.reason is Reason.SOFT_PURGED
        if stale or found.shared or serve.reason is Reason.STALE:
            self.tally.note_served(entry, now, serve.reason, found.reason, shared=found.shared, stale=stale)
        else:
            self.hits.account(entry, now)
        if entry.filled:
            self._tend(asked.key, entry, entry.filled.page)
        elif entry.hits == READ_AGAIN and b"gzip" in entry.encoded and (codings := better()):
            self.runtime.spawn(self._encode(asked.key, entry, codings))
        return Stale(answer, self._refresher(asked, entry)) if stale else answer

    def _tend(self, key: Key, entry: Entry, page: Entry) -> None:
        """Encode what a page with holes was filled to, as any other page, and charge the page with it."""
        page.hits += 1
        if page.hits == 1:
            self.levels.memory.reweigh(key, entry)
        if page.hits <= READ_AGAIN and coding.encodes(Head(page.status, page.fields), self.rules):
            self.runtime.spawn(self._encode(key, page, {b"gzip": gzipped} if page.hits == 1 else better(), entry))

    def _refresher(self, asked: Asked, entry: Entry) -> Recorder | None:
        """A recorder for the render that replaces a stale entry, unless one is on its way or the application is busy."""
        boarding = self.flights.board((asked.key, entry.variant), self.now(), leased=True)
        if isinstance(boarding, Follow):
            return None
        left = self.origin.enter_now(asked.key)
        if left is None:
            self.flights.leave(boarding.flight)
            return None

        def land(landing: Landing) -> None:
            left(landing)
            self.flights.leave(boarding.flight, landing)

        asked = self.keys.for_nobody(asked)
        wanted = replace(asked, request=replace(asked.request.without(_CONDITIONS), method="GET"))
        return self._recorder(wanted, entry, Reason.STALE, land)

    def _recorder(self, asked: Asked, entry: Entry | None, reason: Reason, land: Land | None) -> Recorder:
        """A recorder that asks the application about the entry if it can be asked, and else for a new one."""
        if entry and policy.validators(entry):
            request = policy.to_validate(asked.request, entry, self.rules)
        elif asked.anonymous or self.tally.uncacheable(asked.key, self.now()):
            # What is never stored keeps the coding that the application gives it.
            accept = asked.request.lines(b"accept-encoding")
            request = policy.to_fetch(asked.request, self.rules).adding((b"accept-encoding", line) for line in accept)
        else:
            request = policy.to_fetch(asked.request, self.rules)
        return Recorder(self, request, reason, asked, entry=entry, land=land)

    async def _own(self, sought: Sought, land: Land | None = None) -> Step:
        """The answer from Redis, else a recorder for this request; `land` is told what came of it."""
        asked, found = sought.asked, sought.found
        # Whoever waited for a flight, a turn or the first lease may find in memory what was not there when it came.
        held = self.levels.held(asked, self.now())
        if held.entry and held.entry.holes:
            await self.placeholders.fill(held.entry)
            held = self.levels.held(asked, self.now())
        found = held if held.entry else found
        decision = self._judged(asked, found)
        until = self.now() + guard.TIMEOUT
        if not isinstance(decision, Serve):
            found = await self._looked_up(asked, found, until)
            decision = self._judged(asked, found)
        if isinstance(decision, Fetch) and land and self.worker.clock.holds(self.now()):
            found = await self._brought(asked, found, until)
            decision = self._judged(asked, found)
        match decision:
            case Serve():
                if land:
                    land(Landing(decision.entry, shared=True))
                return self.served(asked, found, decision, self.now())
            case Revalidate(reason=reason) | Fetch(reason=reason):
                return self._recorder(asked, found.entry, reason, await self.origin.enter(asked.key, land))
            case Bypass(reason=reason):
                step: Step = Recorder(self, asked.request, reason)
            case Refuse(reason=reason):
                self.tally.refuse(asked, reason, self.now())
                step = Answer(504, ((b"content-length", b"0"), (b"cache-status", refused())), ())
            case _:
                assert_never(decision)
        if land:
            land(NOTHING)
        return step

    async def _looked_up(self, asked: Asked, found: Found, until: float) -> Found:
        shared = await self.levels.fetched(asked, found.reason, until)
        if shared.entry and shared.entry.holes:
            await self.placeholders.fill(shared.entry)
            why = self.worker.clock.check(shared.entry, self.now())
            shared = shared if why in USABLE else Found(None, why or Reason.URI_MISS)
        return shared if shared.entry or not found.entry else found

    def _judged(self, asked: Asked, found: Found) -> policy.Before:
        now = self.now()
        missed = self.tally.missed(asked.key, found.reason, now) if self.worker.clock.holds(now) else Reason.UNSURE
        return policy.before(asked.request, found.entry, self.rules, now, missed=missed)

    async def _brought(self, asked: Asked, found: Found, until: float) -> Found:
        """What another worker renders meanwhile; what was found, once this one is to render it."""
        brought = found

        async def look() -> bool:
            nonlocal brought
            brought = await self._looked_up(asked, found, self.now() + guard.TIMEOUT)
            return isinstance(self._judged(asked, brought), Serve)

        digest = key_digest(asked.key, self.levels.variant(asked))
        mine = await self.origin.lock(asked.key, digest, look, until)
        return found if mine else brought

    async def _share(self, key: Key, entry: Entry, names: tuple[bytes, ...], *, encode: bool) -> None:
        if encode:
            await self._encode(key, entry, {b"gzip": gzipped})
        await self.levels.share(key, entry, names)
        self.origin.release(key, stored=True)

    async def _encode(
        self, key: Key, entry: Entry, codings: Mapping[bytes, Callable[[bytes], bytes]], charged: Entry | None = None
    ) -> None:
        """Give an entry more codings, each where it saves anything, and charge it or another one with them."""
        for name, encoded in codings.items() if self.flags.compression else ():
            smaller = await self.runtime.aside(partial(encoded, entry.body), len(entry.body))
            if len(smaller) < len(entry.body):
                entry.encoded[name] = smaller
        entry.representations.clear()
        self.levels.memory.reweigh(key, charged or entry)

    async def _first_lease(self) -> None:
        """Give a worker that has just started the chance to be sure before it asks the application."""
        follower = self.worker.follower
        if follower and not follower.leased.done() and not self._waited:
            await self.runtime.wait(follower.leased, FIRST_LEASE)
            self._waited = True


def _whole(request: Request) -> bool:
    """Whether a whole page is asked for, which a flight can bring."""
    return request.method == "GET" and not any(name == b"range" for name, _ in request.fields)
