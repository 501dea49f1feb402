"""The engine against a reference of forty lines: visits, edits, purges of every kind, time, failures, renders that purges overtake.

The clock is the test's, the store is memory alone. The reference says what each visit shows and whether it is a hit.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.asgi import HTML, Call, Reply, Visitor, caching, fields
from tests.support.clock import Clock

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cms_cache_mw import CacheMiddleware

DEPENDS = {
    "/news/1": ("page:1", "block:a"),
    "/news/2": ("page:2", "block:a", "block:b"),
    "/about": ("page:3", "block:b"),
}
THINGS = sorted({thing for things in DEPENDS.values() for thing in things})
LIFETIME, REFRESHING, STANDING_IN, GRACE = 10.0, 5.0, 30.0, 3.0
SAYS = f"Cache-Control: max-age={LIFETIME:.0f}, stale-while-revalidate={REFRESHING:.0f}"

paths = st.sampled_from(sorted(DEPENDS))


@dataclass
class Kept:
    """What the reference believes to be stored of a page."""

    text: str
    born: float
    soft: float | None = None
    """When it was purged softly."""

    def fresh(self, now: float) -> bool:
        """Whether it is served as it is."""
        return now - self.born < LIFETIME and self.soft is None

    def tolerable(self, now: float) -> bool:
        """Whether it is served while one render replaces it."""
        return now - self.born < LIFETIME + REFRESHING and (self.soft is None or now - self.soft < GRACE)

    def stands_in(self, now: float) -> bool:
        """Whether it is better than an error."""
        return now - self.born < LIFETIME + STANDING_IN and (self.soft is None or now - self.soft < GRACE)


@dataclass
class Held:
    """A render that has read its page and does not end yet."""

    call: Call
    gate: asyncio.Event
    text: str
    began: float
    """Its answer's age counts from here (RFC 9111 §4.2.3)."""
    purged: bool = False
    soft: float | None = None
    """When it was purged softly, which leaves it of use for a while."""


class Engine(RuleBasedStateMachine):
    """A site of three pages behind the cache, and the reference."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        self.clock = Clock()
        self.versions = dict.fromkeys(THINGS, 0)
        self.failing = False
        self.kept: dict[str, Kept] = {}
        self.held: dict[str, Held] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.reached = asyncio.Event()
        """Set when a render is at its gate."""
        self.site: CacheMiddleware

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application: a page states the versions of what it is made of."""
        path, failing = scope["path"], self.failing
        text = self.shown(path)
        if gate := self.gates.get(path):
            self.reached.set()
            await gate.wait()
        lines = (HTML,) if failing else (HTML, SAYS, f"Cache-Tag: {', '.join(DEPENDS[path])}")
        await send({"type": "http.response.start", "status": 500 if failing else 200, "headers": fields(*lines)})
        await send({"type": "http.response.body", "body": b"sorry" if failing else text.encode()})

    def shown(self, path: str) -> str:
        """What a render of a page says now."""
        return " ".join(f"{thing}={self.versions[thing]}" for thing in DEPENDS[path])

    @initialize()
    def begin(self) -> None:
        """Put the site behind a cache."""
        self.site = self.runner.run(
            self.stack.enter_async_context(
                caching(self, self.clock, stale_if_error=STANDING_IN, flags={"warmth": False})
            )
        )

    def visit(self, path: str) -> Reply:
        """Ask for a page, and wait until what it causes in the background has ended."""

        async def asked() -> Reply:
            reply = await Visitor(self.site).get(path)
            await self.settled()
            return reply

        return self.runner.run(asked())

    async def settled(self) -> None:
        """Return once nothing is under way but what is held."""
        async with asyncio.timeout(10):
            while self.site.cache.engine.flights.open > len(self.held):  # noqa: ASYNC110 - a counter tells no event
                await asyncio.sleep(0)

    @rule(path=paths, times=st.integers(1, 4))
    def visits(self, path: str, times: int) -> None:
        """Visits of one page; from the third on they take the short way."""
        for _ in range(times):
            self.get(path)

    def get(self, path: str) -> None:
        """A visit shows what the reference says, and is a hit where the reference has it."""
        kept, now = self.kept.get(path), self.clock.now()
        if path in self.held and not (kept and kept.fresh(now)):
            return  # it would wait for the render that is held
        reply = self.visit(path)
        text = reply.body.decode()
        if kept and kept.fresh(now):
            assert (text, reply.level) == (kept.text, "memory")
        elif kept and kept.tolerable(now):
            assert (text, reply.level) == (kept.text, "memory")
            if not self.failing:
                self.kept[path] = Kept(self.shown(path), now)
        elif self.failing:
            if kept and kept.stands_in(now):
                assert (reply.status, text) == (200, kept.text)
            else:
                assert (reply.status, text) == (500, "sorry")
        else:
            assert (text, reply.level) == (self.shown(path), None)
            self.kept[path] = Kept(text, now)

    @rule(thing=st.sampled_from(THINGS), soft=st.booleans())
    def edit(self, thing: str, soft: bool) -> None:
        """Change a thing and purge it."""
        self.versions[thing] += 1
        self.purge({path for path, things in DEPENDS.items() if thing in things}, soft=soft, tags=[thing])

    @rule(path=paths)
    def purge_url(self, path: str) -> None:
        """Purge one page by its URL."""
        self.purge({path}, urls=[f"https://example.org{path}"])

    @rule()
    def purge_prefix(self) -> None:
        """Purge all below a path."""
        self.purge({path for path in DEPENDS if path.startswith("/news/")}, prefixes=["https://example.org/news/"])

    @rule()
    def purge_all(self) -> None:
        """Purge everything."""
        self.purge(set(DEPENDS), all=True)

    def purge(self, gone: set[str], *, soft: bool = False, **target: object) -> None:
        """Purge, and do so in the reference."""
        purged = self.runner.run(self.site.cache.purge(soft=soft, grace=GRACE, **target))  # type: ignore[arg-type]
        assert purged.done
        for path in gone:
            held = self.held.get(path)
            if held and soft:
                held.soft = held.soft or self.clock.now()
            elif held:
                held.purged = True
            if path in self.kept and soft:
                self.kept[path].soft = self.kept[path].soft or self.clock.now()
            elif path in self.kept:
                del self.kept[path]

    @rule(seconds=st.sampled_from([0.5, 4.0, 9.0, 12.0, 50.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule()
    def fail(self) -> None:
        """The application breaks, or is mended."""
        self.failing = not self.failing

    @precondition(lambda self: not self.failing)
    @rule(path=paths)
    def hold(self, path: str) -> None:
        """Begin a render that does not end yet, where nothing is stored."""
        if path in self.kept or path in self.held:
            return

        async def begun() -> None:
            gate = self.gates[path] = asyncio.Event()
            self.reached.clear()
            call = Visitor(self.site).call(path)
            async with asyncio.timeout(10):
                await self.reached.wait()
            self.held[path] = Held(call, gate, self.shown(path), self.clock.now())

        self.runner.run(begun())

    @precondition(lambda self: self.held)
    @rule()
    def release(self) -> None:
        """Let a render end: its visitor gets it, and it is kept unless a purge has overtaken it."""
        path, held = self.held.popitem()

        async def ended() -> Reply:
            held.gate.set()
            del self.gates[path]
            await held.call.task
            await self.settled()
            return held.call.reply

        reply = self.runner.run(ended())
        assert reply.body.decode() == held.text
        # What is stale when it comes, and without a validator, is not worth keeping.
        if not held.purged and path not in self.kept and self.clock.now() - held.began < LIFETIME:
            if held.soft is not None and self.clock.now() - held.soft >= GRACE:
                return
            self.kept[path] = Kept(held.text, held.began, held.soft)

    @invariant()
    def nothing_waits(self) -> None:
        """Nobody is under way but those who are held."""
        if hasattr(self, "site"):
            assert self.site.cache.engine.flights.open <= len(self.held)

    def teardown(self) -> None:
        """End what is held, and the cache."""
        while self.held:
            self.release()
        self.runner.run(self.stack.aclose())
        self.runner.close()


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
