"""Placeholders: holes in stored pages that are filled from a fragment whenever the page is served.

The page does not depend on the part: an edit of a block that is on a million pages renders one fragment and no page. Page and
part are each checked by the purge clock, and nothing waits between that and handing the answer over. What a page was filled to
is kept beside it, with its codings and its entity tag, until one of its parts is another one.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cms_cache_mw.collecting import apart, current
from cms_cache_mw.core.entry import Entry
from cms_cache_mw.core.holes import Filled, joined, page
from cms_cache_mw.depot import USABLE
from cms_cache_mw.fragments.decorated import renderer_of
from cms_cache_mw.fragments.decorator import serving
from cms_cache_mw.fragments.marks import LONGEST_NAME
from cms_cache_mw.fragments.safe import markup
from cms_cache_mw.runtime import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.fragments.marks import Marks
    from cms_cache_mw.fragments.namespaces import Namespaces
    from cms_cache_mw.fragments.order import Order
    from cms_cache_mw.purge.clock import Clock, Token

log: Final = logging.getLogger("cms_cache_mw")

RETRY: Final = 1.0
"""Seconds for which a part that failed is not tried again, unless something is purged meanwhile."""
DEEPEST: Final = 16
"""Parts within parts."""
MOST_KNOWN: Final = 10_000


class Part(NamedTuple):
    """What a placeholder's name stands for."""

    order: Order
    call: Callable[[], Any]
    suspends: bool
    """Whether `call` is to be awaited."""


class Placeholders:
    """The parts that fill holes, of one cache."""

    def __init__(self, namespaces: Namespaces, clock: Clock, now: Callable[[], float]) -> None:
        self._namespaces, self._fragments, self._clock, self._now = namespaces, namespaces.fragments, clock, now
        self._fragments.inlined = self.inlined
        self._known: dict[str, Part] = {}
        self._failed: dict[str, tuple[float, Token]] = {}

    def placeholder(self, name: str) -> str:
        """What to put into a page where the part belongs: a mark, or the part itself where nobody would fill a hole.

        Raises `LookupError` for a name that no function decorated with `@fragment` gives.
        """
        part = self._part(name)
        if part is None or len(name.encode()) > LONGEST_NAME:
            raise LookupError(
                f"placeholder {name!r}: no function decorated with @fragment has a key that gives this name from arguments that "
                "are text or whole numbers"
            )
        collector = current()
        marks = collector.marks if collector else None
        if marks is None or (marks.inline and (not part.suspends or self._fragments.held(part.order))):
            return self.inlined(name)
        return markup()(marks.mark(name))

    def inlined(self, name: str) -> str:
        """The part itself, as a fragment of what is being rendered here."""
        part = self._part(name)
        if part is None:
            return ""
        if part.suspends:
            raise_ = partial(_to_be_awaited, name)
            return markup()(_text(self._fragments.rendered_here(part.order, raise_)))
        return markup()(_text(self._fragments.rendered_here(part.order, part.call)))

    def ready(self, entry: Entry, now: float) -> bool:
        """Whether all parts of a page are in memory, fresh and valid."""
        return not entry.holes or self._whole(entry, now) is not None

    def filled(self, entry: Entry) -> Entry:
        """The page with its holes filled by what can be had at once: parts that are valid, else the last good ones, else nothing."""
        now = self._now()
        return self._whole(entry, now) or page(entry, self._body(entry, now, self._standing, []) or b"")

    async def fill(self, entry: Entry) -> None:
        """Obtain the parts of a page that are missing, each rendered once for all who want it."""
        await self._fill(entry, 0)

    async def settle(self, marks: Marks) -> bool:
        """Obtain what a response needs for its marks; false where a part may not be kept, which later visitors would lack."""
        kept = True
        for name in marks.wanted:
            value = await self._obtained(name)
            now = self._now()
            if value is None:
                found = self._standing(name, now)
                marks.parts[name] = self._body(found[1], now, self._standing, []) or b"" if found else b""
            else:
                marks.parts[name] = _text(value).encode("utf-8", "surrogatepass")
                kept = kept and self._slot(name) is not None
        return kept

    async def _fill(self, entry: Entry, depth: int) -> None:
        for _, name in entry.holes if depth < DEEPEST else ():
            await self._obtained(name)
            if found := self._standing(name, self._now()):
                await self._fill(found[1], depth + 1)

    def _whole(self, entry: Entry, now: float) -> Entry | None:
        """The page as it was filled last, or anew where a part is another one; nothing where a part is missing."""
        filled = entry.filled
        if filled is not None and filled.lasts(self._clock.check, now):
            return filled.page
        uses: list[tuple[Order, Entry]] = []
        body = self._body(entry, now, self._valid, uses)
        if body is None:
            return None
        for order, part in uses:
            order.memory.touch(order.key, part)
            part.hits += 1
        same = filled is not None and filled.page.body == body
        entry.filled = Filled(
            tuple((order.memory, order.key, part) for order, part in uses),
            filled.page if same and filled else page(entry, body),
        )
        return entry.filled.page

    def _body(
        self,
        entry: Entry,
        now: float,
        find: Callable[[str, float], tuple[Order, Entry] | None],
        uses: list[tuple[Order, Entry]],
        depth: int = 0,
    ) -> bytes | None:
        """A body with its holes filled; `None` where only valid parts will do and one is missing."""
        parts = []
        for _, name in entry.holes:
            found = find(name, now) if depth < DEEPEST else None
            body = self._body(found[1], now, find, uses, depth + 1) if found else None
            if body is None and find == self._valid:
                return None
            if found:
                uses.append(found)
            parts.append(body or b"")
        return joined(entry.body, entry.holes, parts)

    def _slot(self, name: str) -> tuple[Order, Entry] | None:
        part = self._part(name)
        entry = part.order.memory.get(part.order.key) if part else None
        if part is None or not isinstance(entry, Entry) or entry.fields[0][1] == b"msgpack":
            return None
        return part.order, entry

    def _valid(self, name: str, now: float) -> tuple[Order, Entry] | None:
        """The part in memory, if it is fresh and nothing it depends on was purged."""
        found = self._slot(name)
        if found and self._clock.check(found[1], now) is None and found[1].remaining(now) > 0:
            return found
        return None

    def _standing(self, name: str, now: float) -> tuple[Order, Entry] | None:
        """The last good part: it may be stale, and what was purged is not good."""
        found = self._slot(name)
        return found if found and self._clock.check(found[1], now) in USABLE else None

    async def _obtained(self, name: str) -> object:
        """The part's value, rendered if need be; `None` where that failed, now or a moment ago."""
        part, now = self._part(name), self._now()
        failed = self._failed.get(name)
        if part is None or (failed and now < failed[0] and failed[1] == self._clock.token):
            return None
        last = self._standing(name, now)
        try:
            value = _text(await self._rendered(part))
        except Exception as error:  # noqa: BLE001 - a part that fails must not take the page with it
            log.warning("placeholder %s failed; its last good version is shown, or nothing: %r", name, error)
            self._failed[name] = (now + RETRY, self._clock.token)
            if last and self._slot(name) is None:
                part.order.memory.put(part.order.key, last[1])
            return None
        self._failed.pop(name, None)
        return value

    async def _rendered(self, part: Part) -> object:
        """The part, rendered for everybody: what gathers around here is not its own."""
        here = self._fragments.rendered_here
        token = serving.set(self._namespaces)
        try:
            with apart():
                if running_loop() is None:
                    return here(part.order, (lambda: asyncio.run(part.call())) if part.suspends else part.call)
                if part.suspends:
                    return await self._fragments.rendered(part.order, part.call)
                # It may block, and a loop must not.
                return await asyncio.to_thread(here, part.order, part.call)
        finally:
            serving.reset(token)

    def _part(self, name: str) -> Part | None:
        known = self._known.get(name)
        if known is None and (found := renderer_of(name)):
            renderer, arguments = found
            call = partial(renderer.function, **arguments)
            order = renderer.order(self._namespaces, arguments)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[name] = Part(order, call, inspect.iscoroutinefunction(renderer.function))
        return known


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise TypeError(f"a part of a page is text, not {type(value).__name__}")
    return value


def _to_be_awaited(name: str) -> object:
    raise RuntimeError(f"placeholder {name!r}: its function is to be awaited, which only a request does")
