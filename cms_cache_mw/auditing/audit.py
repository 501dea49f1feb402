"""Renders again, unseen, what was served from the cache, and says where the two differ and why that may be.

A sample is a hit with the visitor's own request. It is rendered once with everything the visitor sent; most are equal, and that
is all. Where they differ, some seconds later the same is rendered again, which shows what differs between any two renders, and
which lets the purge of an edit arrive that was on its way. What is still different was served wrongly: if a render for nobody
agrees with what was served, it depends on something that this visitor sent and the key leaves out; else it is stale.

Nothing that is rendered here is stored or shown to a visitor, and of a visitor's own render not a word is kept.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from cms_cache_mw.auditing.difference import Comparison
from cms_cache_mw.auditing.replay import Replay
from cms_cache_mw.auditing.staleness import Interval, measured
from cms_cache_mw.core import policy
from cms_cache_mw.core.keys import KEYED_FIELDS, Refused
from cms_cache_mw.core.policy import Serve
from cms_cache_mw.core.tags import implicit_prints, tag_print
from cms_cache_mw.core.value import Value
from cms_cache_mw.recorder import Recorder
from cms_cache_mw.runtime import HEAVY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.keys import Asked
    from cms_cache_mw.core.message import Request
    from cms_cache_mw.engine import Engine, Step
    from cms_cache_mw.fragments.caching import Fragments
    from cms_cache_mw.stores.memory import Memory

    Render = Callable[[Recorder], Awaitable[None]]
    """Lets the application render for nobody, through a recorder."""

log: Final = logging.getLogger("cms_cache_mw")

PAUSE: Final = 2.0
"""Seconds after which a difference is looked at again."""
AT_ONCE: Final = 2
"""Samples that a worker compares at the same time; others are let go."""
KEPT: Final = 20
MOST_NAMED: Final = 20
_RANGES: Final = frozenset({b"if-none-match", b"if-modified-since", b"range", b"if-range", b"accept-encoding"})

Outcome = Literal["same", "stale", "unkeyed", "outdated", "unrendered", "busy"]


class Mismatch(msgspec.Struct, frozen=True):
    """A page that was served and is not what would have been rendered."""

    kind: Literal["stale", "unkeyed"]
    """Stale: nobody would get it now. Unkeyed: others would, but not the visitor who got it."""
    site: str
    url: str
    at: float
    """Seconds since 1970."""
    age: float
    """Of what was served, in seconds."""
    tags: tuple[str, ...]
    """What it was stored with."""
    lacking: tuple[str, ...]
    """Tags that a render has now and what was served has not."""
    purged: tuple[str, ...]
    """Candidates: what was purged since it was rendered, by name where that is known here, and did not reach it."""
    fields: tuple[str, ...]
    """Names of what the visitor sent and the key leaves out, cookies included; never their values."""
    difference: str


class Sample(Value, frozen=True):
    """A hit to be compared; without an entry, a request in shadow mode for which there was none."""

    audit: Audit
    request: Request
    asked: Asked
    entry: Entry | None

    async def __call__(self, render: Render) -> None:
        """Compare, or see to it that there is something to compare with next time."""
        if self.entry is None:
            await self.audit.fill(self, render)
        else:
            await self.audit.compare(self, self.entry, render)


class Sampled(Value, frozen=True):
    """What a request gets, and the sample that it makes."""

    step: Step
    sample: Sample


class Audit:
    """The samples of one worker and what came of them."""

    def __init__(self, engine: Engine, fragments: Fragments, memories: Iterable[Memory]) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.findings: deque[Mismatch] = deque(maxlen=KEPT)
        self._engine, self._fragments, self._memories = engine, fragments, tuple(memories)
        self.pause = PAUSE
        self._running = 0
        self._said: set[tuple[str, str, str]] = set()

    def sample(self, request: Request, *, shadow: bool) -> Sample | None:
        """The sample that a request makes: where memory has a fresh page for it, and in shadow mode also where it has none."""
        engine = self._engine
        asked = engine.keys.ask(request)
        if isinstance(asked, Refused) or request.method != "GET" or policy.bypass(request, engine.rules):
            return None
        now = engine.now()
        entry = engine.levels.held(asked, now).entry
        if entry is None:
            return Sample(self, request, asked, None) if shadow else None
        fresh = isinstance(serve := policy.before(asked.request, entry, engine.rules, now), Serve) and not serve.refresh
        comparable = not any(name == b"content-encoding" for name, _ in entry.fields)
        return Sample(self, request, asked, entry) if fresh and comparable else None

    async def fill(self, sample: Sample, render: Render) -> None:
        """Store what a request asks for, as if the cache were on."""
        step = await self._engine.step(sample.request, gated=False)
        if isinstance(step, Recorder):
            await render(step)

    async def compare(self, sample: Sample, entry: Entry, render: Render) -> None:
        """Render a hit again and note what came of it."""
        if self._running >= AT_ONCE:
            self.outcomes["busy"] += 1
            return
        self._running += 1
        try:
            outcome = await self._compared(sample, entry, render)
        except Exception as error:  # noqa: BLE001 - the application's trouble is not that of somebody's request
            log.debug("not compared: %r", error)
            outcome = "unrendered"
        finally:
            self._running -= 1
        self.outcomes[outcome] += 1

    async def _compared(self, sample: Sample, entry: Entry, render: Render) -> Outcome:
        own = sample.request.without(_RANGES)
        served = self._engine.placeholders.filled(entry).body if entry.holes else entry.body
        first = await self._rendered(own, render)
        if first is None:
            return "unrendered"
        if first.body == served and first.status == entry.status:
            return "same"
        await self._engine.runtime.sleep(self.pause)
        second = await self._rendered(own, render)
        if second is None:
            return "unrendered"
        if self._engine.worker.clock.check(entry, self._engine.now()) is not None:
            return "outdated"
        comparison, differs = await self._told_apart(first.body, second.body, served)
        if not differs and first.status == entry.status:
            return "same"
        return await self._found(sample, entry, served, first, comparison, render=render)

    async def _found(
        self, sample: Sample, entry: Entry, served: bytes, own: Replay, comparison: Comparison, *, render: Render
    ) -> Outcome:
        plain = self._plain(sample.asked, entry)
        others = await self._rendered(plain, render)
        kind: Literal["stale", "unkeyed"] = "stale"
        if others is not None:
            again = await self._rendered(plain, render)
            general, differs = await self._told_apart(others.body, again.body if again else others.body, served)
            if others.status == entry.status and not differs:
                kind = "unkeyed"
            elif others.status == own.status:
                comparison, own = general, others
        fields = _names(sample.request) - _names(plain)
        # What was rendered with a visitor's fields may be that visitor's own.
        open_ = kind == "stale" and own is others
        difference = comparison.shown(served, both=open_)
        if own.status != entry.status:
            difference = f"served {entry.status}, rendered {own.status}\n{difference}"
        self._report(entry, kind, own.tags, fields if kind == "unkeyed" else set(), difference)
        return kind

    async def _told_apart(self, first: bytes, second: bytes, served: bytes) -> tuple[Comparison, bool]:
        """A comparison that knows the noise, and what it says; on a thread, for it may take a while."""

        def told() -> tuple[Comparison, bool]:
            comparison = Comparison(first)
            comparison.learn(second)
            return comparison, comparison.differs(served)

        return await self._engine.runtime.aside(told, HEAVY + 1)

    async def _rendered(self, request: Request, render: Render) -> Replay | None:
        """What the application renders for a request without any fragment that was kept; `None` where it did not."""
        slots = self._engine.origin.slots
        slot = slots.take_now()
        if slot is None:
            return None
        replay = Replay(self._engine, request)
        try:
            with self._fragments.afresh():
                await render(replay)
        finally:
            slots.give_back(slot)
        return replay if replay.complete else None

    def _plain(self, asked: Asked, entry: Entry) -> Request:
        """The request of nobody: less all that neither the key nor Vary holds."""
        varied = {name for name, _ in entry.variant}
        kept = KEYED_FIELDS | {b"host", b"cookie", b"forwarded"} | varied
        request = self._engine.keys.for_nobody(asked).request
        return request.without({name for name, _ in request.fields} - kept | _RANGES)

    def _report(
        self, entry: Entry, kind: Literal["stale", "unkeyed"], tags: frozenset[str], fields: set[str], difference: str
    ) -> None:
        engine = self._engine
        finding = Mismatch(
            kind,
            entry.site,
            entry.url,
            engine.wall(),
            round(entry.age(engine.now()), 1),
            entry.tags[:MOST_NAMED],
            tuple(sorted(tags - set(entry.tags)))[:MOST_NAMED],
            self._purged_since(entry),
            tuple(sorted(fields))[:MOST_NAMED],
            difference,
        )
        self.findings.append(finding)
        told = (kind, entry.site, entry.url)
        if told not in self._said and len(self._said) < 1_000:  # noqa: PLR2004
            self._said.add(told)
            why = f"it depends on {', '.join(finding.fields)}" if fields else f"lacking tags: {list(finding.lacking)}"
            log.warning("audit: %s%s was served and is %s (%s)", entry.site, entry.url, kind, why)

    def _purged_since(self, entry: Entry) -> tuple[str, ...]:
        """What was purged after the entry's render began, by name where an entry in memory has that name."""
        purged = {tag for tag, seq in self._engine.worker.clock.state.hard.items() if seq > entry.since}
        named: dict[int, str] = {}
        for memory in self._memories if purged else ():
            for _, other in memory.entries():
                named |= {tag_print(tag): tag for tag in other.tags if tag_print(tag) in purged}
                path, _, query = other.url.partition("?")
                implicit = implicit_prints(other.site, path, query)
                named |= dict.fromkeys(purged & set(implicit), f"the URL, path or site of {other.site}{other.url}")
        unknown = len(purged - named.keys())
        names = sorted(set(named.values()))[:MOST_NAMED]
        return tuple([*names, f"{unknown} that no entry here has"] if unknown else names)

    def staleness(self) -> Interval:
        """The measured share of wrong hits."""
        wrong = self.outcomes["stale"] + self.outcomes["unkeyed"]
        return measured(self.outcomes["same"] + wrong, wrong)

    def stats(self) -> dict[str, object]:
        """Outcomes and the measured share, for JSON."""
        return {"outcomes": dict(self.outcomes), "staleness": self.staleness()._asdict()}


def _names(request: Request) -> set[str]:
    """Names of the fields and of the cookies of a request."""
    cookies = b";".join(request.lines(b"cookie")).split(b";")
    names = {f"cookie {pair.partition(b'=')[0].strip().decode('latin-1')}" for pair in cookies if pair.strip()}
    return names | {name.decode("latin-1") for name, _ in request.fields if name != b"cookie" and name not in _RANGES}
