"""What a worker counts and remembers beside its entries, each in bounded memory."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.keys import shown_path, shown_query
from cms_cache_mw.core.message import Request
from cms_cache_mw.core.status import Reason
from cms_cache_mw.explaining.journal import LONGEST_URL, Journal
from cms_cache_mw.histogram import RENDER_SECONDS, Histogram

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry, Key
    from cms_cache_mw.core.keys import Asked

log: Final = logging.getLogger("cms_cache_mw")

COOKIE_NAMES: Final = 1_000
LONGEST_NAME: Final = 64
"""Characters of a cookie's name that are kept: visitors choose them."""
OTHERS: Final = "(others)"
UNCACHEABLE_SECONDS: Final = 5.0
UNCACHEABLE_KEYS: Final = 4_096
WARNED_ROUTES: Final = 1_000
LONGEST_ROUTE: Final = 200
NOTED_BYTES: Final = 200
"""What a cookie's name, an uncacheable key or a route takes, on average."""


class Tally:
    """Counters, the copies being collected (at most `collecting_bytes`), the keys known to be uncacheable."""

    def __init__(self, collecting_bytes: int) -> None:
        self.hits = 0
        """Fresh hits from memory, which are most answers."""
        self._counted: Counter[str] = Counter()
        self.cookies: Counter[str] = Counter()
        """Bypasses by the cookie that caused them."""
        self.renders = Histogram(RENDER_SECONDS)
        """How long the application took, by what it was asked for."""
        self.journal = Journal()
        """What was decided last."""
        self.collected = 0
        """Bytes of copies being collected."""
        self._collecting_bytes = collecting_bytes
        # By hash, which no visitor can foresee: a key is as long as a visitor's URL.
        self._uncacheable: dict[int, float] = {}
        self._warned: set[str] = set()

    @property
    def bytes(self) -> int:
        """What it remembers takes, the copies being collected and the journal included."""
        noted = len(self.cookies) + len(self._uncacheable) + len(self._warned)
        return self.collected + self.journal.bytes + NOTED_BYTES * noted

    def count(self, word: str) -> None:
        """Count an answer, or why one was not stored."""
        self._counted[word] += 1

    @property
    def answers(self) -> Counter[str]:
        """Answers by reason, and by level or merging."""
        return self._counted + Counter({Reason.HIT: self.hits, "memory": self.hits})

    def note_cookie(self, name: str) -> None:
        """Count a bypass against the cookie that caused it."""
        if name:
            name = name[:LONGEST_NAME]
            self.cookies[name if name in self.cookies or len(self.cookies) < COOKIE_NAMES else OTHERS] += 1

    def note_served(
        self, entry: Entry, now: float, reason: Reason, detail: Reason, *, shared: bool, stale: bool
    ) -> None:
        """Note what was answered from the cache, unless it is a fresh hit from memory, of which `Hits.account` keeps the books."""
        entry.hits += 1
        self.count("shared" if shared else "memory")
        self.count(Reason.STALE if stale else Reason.HIT)
        self.journal.note((now, reason, detail, shared, entry.site, entry.url, entry.status, entry.born))

    def note_sent(
        self, now: float, began: float, sent: Asked | Request, reason: Reason, *, detail: Reason | None, status: int
    ) -> None:
        """Put a request into the journal that was not answered from the cache; `began` is when the application was asked."""
        request = sent if isinstance(sent, Request) else sent.request
        site = (request.value(b"host") or b"").decode("latin-1") if isinstance(sent, Request) else sent.site
        query = f"?{shown_query(request.query[:LONGEST_URL])}" if request.query else ""
        url = (shown_path(request) + query)[:LONGEST_URL]
        self.journal.note((now, reason, detail, False, site[:LONGEST_URL], url, status, began))
        if status != 504 or now > began:  # noqa: PLR2004 - what `refuse` notes asked nobody
            self.renders.observe(now - began)

    def refuse(self, asked: Asked, reason: Reason, now: float) -> None:
        """Note a request for a stored answer alone, of which none would do."""
        self.count(reason)
        self.note_sent(now, now, asked, reason, detail=None, status=504)

    def fault(self, error: Exception) -> None:
        """Note that the cache itself failed."""
        self.count(Reason.FAULT)
        log.error("the cache failed; the request is answered without it", exc_info=error)

    def collect(self, size: int) -> bool:
        """Room for a copy of `size` more bytes; false where the copies have used up their share. Negative gives back."""
        if size > 0 and self.collected + size > self._collecting_bytes:
            return False
        self.collected += size
        return True

    def note_uncacheable(self, key: Key, now: float) -> None:
        """Remember for some seconds that what comes for this key cannot be stored, so that nobody queues for it."""
        while len(self._uncacheable) >= UNCACHEABLE_KEYS:
            self._uncacheable.pop(next(iter(self._uncacheable)), None)
        self._uncacheable[hash(key)] = now + UNCACHEABLE_SECONDS

    def uncacheable(self, key: Key, now: float) -> bool:
        """Whether what comes for a key is known not to be storable."""
        until = self._uncacheable.get(hash(key))
        if until is not None and now >= until:
            self._uncacheable.pop(hash(key), None)
            return False
        return until is not None

    def missed(self, key: Key, reason: Reason, now: float) -> Reason:
        """Why there is nothing for a key: what comes for it may be known not to be storable."""
        return Reason.KNOWN_UNCACHEABLE if reason is Reason.URI_MISS and self.uncacheable(key, now) else reason

    def warn_tags(self, route: str, why: object) -> None:
        """Say once per route that a response cannot be stored for its tags."""
        route = route[:LONGEST_ROUTE]
        if route not in self._warned and len(self._warned) < WARNED_ROUTES:
            self._warned.add(route)
            log.warning("%s is served but not stored: %s", route, why)
