"""Warming that somebody asked for: a list of paths, a sitemap, the popularity list. It goes on where it stopped.

Where it stands is written to Redis from time to time, so that any worker can tell, and take it up where another one fell.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from cms_cache_mw.warmth import place as places
from cms_cache_mw.warmth import sitemap
from cms_cache_mw.warmth.front import Front  # noqa: TC001 - msgspec reads the annotation
from cms_cache_mw.warmth.renewal import Outcome, Wish

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from cms_cache_mw.warmth.place import Place

MOST_AGAIN: Final = 64
"""Pages that are tried again before others are begun."""
MOST_ERRORS: Final = 20

State = Literal["waiting", "reading", "warming", "done", "stopped"]


@dataclass(slots=True)
class Errand:
    """One list of pages to be warmed; the numbers are pages."""

    site: str
    front: Front
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "waiting"
    places: list[bytes] = field(default_factory=list)
    """Names from the popularity list, which are warmed first."""
    addresses: list[str] = field(default_factory=list)
    """Paths and URLs, in the order in which they are warmed."""
    total: int = 0
    """Pages, where the lists are not at hand."""
    taken: int = 0
    open: list[int] = field(default_factory=list)
    """Which of those that were taken are not done."""
    done: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"held": 0, "rendered": 0, "failed": 0, "skipped": 0})
    errors: list[dict[str, str]] = field(default_factory=list)
    began: float = 0.0
    seconds: float = 0.0
    maps: list[tuple[str, int]] = field(default_factory=list)
    """Sitemaps still to be read, each with how deep it is."""
    files: int = 0
    """Sitemaps read."""

    @property
    def size(self) -> int:
        """Pages that are known of."""
        return len(self.places) + len(self.addresses)

    def progress(self) -> dict[str, Any]:
        """Where it stands, for JSON."""
        return {
            "id": self.id,
            "site": self.site,
            "state": self.state,
            "total": self.size or self.total,
            "done": self.done,
            **self.counts,
            "sitemaps": self.files,
            "seconds": round(self.seconds, 3),
            "errors": self.errors,
        }

    def skip(self, address: str, reason: str) -> None:
        """Note an address that is not warmed."""
        self.counts["skipped"] += 1
        self.fault(address, reason)

    def fault(self, address: str, reason: str) -> None:
        """Note what is wrong with an address."""
        if len(self.errors) < MOST_ERRORS:
            self.errors.append({"address": address[:200], "error": reason})


class Run:
    """An errand under way. `fetch` begins to read a sitemap through the application, `site_of` gives a host's site."""

    def __init__(
        self,
        errand: Errand,
        *,
        fetch: Callable[[str], Future[tuple[int, bytes]] | None],
        site_of: Callable[[str], str | None],
        closed: Callable[[bytes], bool],
        now: Callable[[], float],
    ) -> None:
        self.errand = errand
        self._fetch, self._site_of, self._closed, self._now = fetch, site_of, closed, now
        self._reading: tuple[str, int, Future[tuple[int, bytes]]] | None = None
        self._known = set(errand.addresses)
        self._again: deque[Wish] = deque()
        self._left = deque(errand.open)
        errand.open = []
        if not errand.began:
            errand.began = now()

    def take(self, now: float) -> Wish | None:
        """The next page, once it is known; nothing while a sitemap is read, or while the last ones are rendered."""
        errand = self.errand
        errand.seconds = now - errand.began
        if errand.maps or self._reading:
            errand.state = "reading"
            self._read()
            if errand.maps or self._reading:
                return None
        errand.state = "warming"
        if self._again and (self._again[0].not_before <= now):
            return self._again.popleft()
        if len(self._again) >= MOST_AGAIN:
            return None
        while self._left or errand.taken < errand.size:
            number = self._next()
            if place := self._place(number):
                errand.open.append(number)
                return Wish(place, errand.site, told=partial(self._told, number))
        if not errand.open:
            errand.state = "done"
        return None

    def _next(self) -> int:
        if self._left:
            return self._left.popleft()
        self.errand.taken += 1
        return self.errand.taken - 1

    def _place(self, number: int) -> Place | None:
        """The place that a number on the list stands for; nothing where it is none of the site's."""
        errand = self.errand
        if number < len(errand.places):
            if (place := places.read(errand.places[number])) is None:
                errand.done += 1
            return place
        address = errand.addresses[number - len(errand.places)]
        key = errand.front.key(address, errand.site, self._site_of)
        if isinstance(key, str) or self._closed(key[2]):
            errand.done += 1
            errand.skip(address, key if isinstance(key, str) else "it is no page of the site")
            return None
        return key, ()

    def _told(self, number: int, wish: Wish, outcome: Outcome) -> None:
        if outcome is Outcome.LATER and wish.again(self._now()):
            self._again.append(wish)
            return
        errand = self.errand
        errand.open.remove(number)
        errand.done += 1
        match outcome:
            case Outcome.HELD | Outcome.RENDERED:
                errand.counts[outcome.value] += 1
            case _:
                errand.counts["failed"] += 1
                errand.fault(wish.place[0][2].decode("utf-8", "replace"), _WHY[outcome])

    def _read(self) -> None:
        """Note what the sitemap says that was read, and begin to read the next one."""
        if self._reading:
            address, depth, reading = self._reading
            if not reading.done():
                return
            self._reading = None
            self.errand.files += 1
            if trouble := self._trouble(reading):
                self.errand.fault(address, trouble)
            else:
                self._note(address, depth, sitemap.read(reading.result()[1]))
        if self.errand.maps:
            address, depth = self.errand.maps[0]
            if (begun := self._fetch(address)) is not None:
                del self.errand.maps[0]
                self._reading = (address, depth, begun)

    @staticmethod
    def _trouble(reading: Future[tuple[int, bytes]]) -> str:
        if (error := reading.exception()) is not None:
            return f"the application failed ({error!r})"[:200]
        status, _ = reading.result()
        return "" if status == 200 else f"the application answered {status}"  # noqa: PLR2004

    def _note(self, address: str, depth: int, found: sitemap.Sitemap) -> None:
        errand = self.errand
        if found.trouble:
            errand.fault(address, found.trouble)
        for page in found.pages:
            if page not in self._known and len(errand.addresses) < sitemap.MAX_PAGES:
                self._known.add(page)
                errand.addresses.append(page)
        for other in found.maps:
            if other in self._known:
                continue
            self._known.add(other)
            if depth >= sitemap.MAX_DEPTH or errand.files + len(errand.maps) >= sitemap.MAX_FILES:
                errand.fault(other, "too many sitemaps, or too deep in one another")
            else:
                errand.maps.append((other, depth + 1))


_WHY: Final = {
    Outcome.FAILED: "the application failed, or its answer may not be stored",
    Outcome.UNKNOWN: "no request without cookies leads there",
    Outcome.LATER: "somebody else was rendering it, or the application had no room, all the time",
}
