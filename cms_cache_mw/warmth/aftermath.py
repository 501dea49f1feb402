"""What purges took with them: used pages come back by value, and purges that changed nothing are counted, tag by tag.

A burst of purges is one: it is looked at once it has been quiet for a moment. Of what was purged nothing is kept but its place,
what it was worth and a digest of its body. Where the new body is the same, so are the validators: visitors keep their copies.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.coding import OWN_TAG, own_tag
from cms_cache_mw.core.message import lines
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.tags import tag_print
from cms_cache_mw.core.value import Value
from cms_cache_mw.warmth.renewal import Wish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.core.entry import Entry, Key
    from cms_cache_mw.core.message import Fields
    from cms_cache_mw.purge.clock import Clock
    from cms_cache_mw.warmth.place import Place

USED: Final = 5
"""Uses that make a page worth being rendered again before anybody asks for it."""
QUIET: Final = 0.25
"""Seconds without another purge after which a burst is over."""
BURST: Final = 2.0
"""Seconds after which it is looked at however long it goes on."""
KEPT: Final = 120.0
"""Seconds that an old page is compared with the one that replaces it."""
MOST_FORMER: Final = 4_096
MOST_TAGS: Final = 1_000
_VALIDATORS: Final = frozenset({b"etag", b"last-modified"})


class _Former(Value, frozen=True):
    """What is remembered of a purged page."""

    digest: bytes
    validators: Fields
    tags: tuple[str, ...]
    """Those of its tags that were purged."""
    until: float


class Aftermath:
    """What has been purged in this worker since it was looked at last. Instants are in seconds."""

    def __init__(self, clock: Clock) -> None:
        self.needless: Counter[str] = Counter()
        """Renders that gave the same bytes again, by the tag whose purge they followed."""
        self._clock = clock
        self._seen = clock.state.pos
        self._latest = 0
        self._since: float | None = None
        self._changed = 0.0
        self._former: dict[Place, _Former] = {}
        self._lock = threading.Lock()

    def due(self, now: float) -> bool:
        """Whether there were purges, and the burst is over."""
        state = self._clock.state
        if state.pos == self._seen:
            self._since = None
            return False
        if self._since is None:
            self._since = self._changed = now
            self._latest = state.pos
        elif state.pos != self._latest:
            self._latest, self._changed = state.pos, now
        return now - self._changed >= QUIET or now - self._since >= BURST

    def look(self, entries: Iterable[tuple[Key, Entry]], now: float) -> list[Wish]:
        """The used pages among the purged, most valuable first."""
        self._seen, self._since = self._clock.state.pos, None
        wishes: list[Wish] = []
        with self._lock:
            self._former = {place: former for place, former in self._former.items() if now < former.until}
            for key, entry in entries:
                if entry.base == self._seen or self._clock.check(entry, now) not in {Reason.PURGED, Reason.SOFT_PURGED}:
                    continue
                place = (key, entry.variant)
                if len(self._former) < MOST_FORMER:
                    self._former[place] = self._remembered(entry, now)
                if entry.hits >= USED:
                    usual = entry.render_ms / 1000
                    wishes.append(Wish(place, entry.site, entry.hits * max(usual, 0.001), usual))
        return sorted(wishes)

    def renewed(self, key: Key, entry: Entry) -> None:
        """Compare a page with the one it replaces; of equal pages the validators are the old ones."""
        former = self._former.get((key, entry.variant))
        if former is None:
            return
        with self._lock:
            self._former.pop((key, entry.variant), None)
        if own_tag(entry.body) != former.digest or entry.holes:
            return
        for tag in former.tags:
            if tag in self.needless or len(self.needless) < MOST_TAGS:
                self.needless[tag] += 1
        if former.validators:
            others = tuple(field for field in entry.fields if field[0] not in _VALIDATORS)
            entry.fields = others + former.validators

    def _remembered(self, entry: Entry, now: float) -> _Former:
        etag = lines(entry.fields, b"etag")
        own = etag[0] if etag and etag[0].startswith(OWN_TAG) else own_tag(entry.body)
        state = self._clock.state
        hard, soft = state.hard, state.soft
        tags = tuple(
            tag
            for tag in entry.tags
            if hard.get(number := tag_print(tag), 0) > entry.base
            or ((record := soft.get(number)) and record.seq > entry.base)
        )
        return _Former(
            digest=own,
            validators=tuple(field for field in entry.fields if field[0] in _VALIDATORS),
            tags=tags,
            until=now + KEPT,
        )
