"""The hit, in one function: a request that nothing makes special, and a page in memory that is fresh and valid.

Most requests are that, so they are answered here with only what such a request needs. The rest takes the general way
(`engine.lookup`), which would have given the same answers: a test holds the two against each other. Little has to be asked,
because the keys in memory were made by `Keys.ask`: whoever finds a page under the bare parts of a request knows that its Host,
target and query are in order. What is not in the key is looked at: cookies, and the fields in `notable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from cms_cache_mw.core import policy, vary
from cms_cache_mw.core.answer import SELECTING, Answer, select
from cms_cache_mw.core.cookies import EMPTY
from cms_cache_mw.core.entry import Entry
from cms_cache_mw.core.keys import TELLING
from cms_cache_mw.core.message import Request
from cms_cache_mw.core.representation import Representation, represent
from cms_cache_mw.core.status import HIT_MEMORY, Reason, append
from cms_cache_mw.stores.memory import Variants

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cms_cache_mw.core.cookies import Cookies
    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.core.message import Field
    from cms_cache_mw.core.representation import Texts
    from cms_cache_mw.core.rules import Rules
    from cms_cache_mw.purge.clock import Clock
    from cms_cache_mw.stores.memory import Memory
    from cms_cache_mw.tally import Tally

READ_AGAIN: Final = 2
"""The use after which an entry is worth better codings: up to there it takes the general way, which makes them."""
MOST_VARIED: Final = 32
"""Request fields by which pages vary that are looked at here."""

_HIT: Final = Reason.HIT
READING: Final = frozenset({"GET", "HEAD"})
SCHEMES: Final = {"http": b"http", "https": b"https"}
"""Schemes as keys have them."""
OFTEN: Final = frozenset({b"host", b"cookie", b"accept-encoding"})
"""The notable fields of most requests."""

Hit: TypeAlias = tuple[Entry, Representation | Entry, float, float]
"""A page, what it or the page it is filled to is sent as, and the whole seconds of its age and of its freshness. A tuple, for it is made for every hit."""


class Hits:
    """Answers what memory can answer at once."""

    def __init__(
        self,
        rules: Rules,
        cookies: Cookies | None,
        memory: Memory,
        clock: Clock,
        tally: Tally,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._rules, self._cookies, self._memory, self._clock, self._tally = rules, cookies, memory, clock, tally
        self._now, self._wall, self._note = now, wall, tally.journal.note
        self._varied: frozenset[bytes] = frozenset()
        self.notable = OFTEN | SELECTING | TELLING | policy.heeded(rules) | {b"cache-explain"}
        """The request fields to look at: without the rest the answers are the same. More, once pages vary by more."""

    def find(self, key: Key, cookie: bytes | None, accept: bytes | None, others: Collection[Field] = ()) -> Hit | None:
        """The page in memory for a GET or HEAD, which is fresh; `None` where more has to be known.

        `key` is scheme, Host, path and query, `accept` is Accept-Encoding; `others` are the notable fields beside them, and
        those of them that came more than once.
        """
        if others and not self._understood(others):
            return None
        entry = self._memory.get(key)
        if type(entry) is not Entry:  # faster than isinstance, for what is nearly always so
            entry = self._variant(entry, key, cookie, accept, others)
        if entry is None or entry.hits < READ_AGAIN:
            return None
        if cookie and self._cookies:
            jar = self._cookies.sort(cookie)
            if jar is not EMPTY and (jar.keyed or jar.other is not None):
                return None
        now, freshness = self._now(), entry.freshness
        age = now - entry.born
        if not 0.0 <= age < freshness.lifetime or freshness.validate or self._clock.check(entry, now):
            return None
        if entry.holes:
            page = self._filled(entry, now)
            if page is None:
                return None
        else:
            page = entry
        self._memory.touch(key, entry)
        self.account(entry, now)
        known = page.representations.get(accept) if page.encoded else page
        shown = known or self._represented(key, entry, page, accept)
        return entry, shown, age // 1, (freshness.lifetime - age) // 1

    def account(self, entry: Entry, now: float) -> None:
        """Accounting: all that is noted of a fresh hit from memory. What can be told later, from `entry.hits` say, has no place here."""
        entry.hits += 1
        self._tally.hits += 1
        self._note((now, _HIT, _HIT, False, entry.site, entry.url, entry.status, entry.born))

    def selected(self, hit: Hit, method: str, key: Key, accept: bytes | None, others: Collection[Field]) -> Answer:
        """The answer made of a page that was found for a request that may not want the whole of it: HEAD, conditions, ranges."""
        entry = hit[0]
        page = entry.filled.page if entry.filled else entry
        answer = select(page, _request(method, key, None, accept, others), self._now(), self._wall())
        return Answer(answer.status, append(answer.fields, HIT_MEMORY % hit[3]), answer.body)

    def spell(self, key: Key, hit: Hit, texts: Texts) -> Texts:
        """Remember the fields of a hit in the words of WSGI."""
        hit[1].texts = texts
        self._memory.reweigh(key, hit[0])
        return texts

    def _filled(self, entry: Entry, now: float) -> Entry | None:
        """The page as it was filled last, while its parts last and once it has the codings that the general way makes."""
        filled = entry.filled
        if filled is None or filled.page.hits < READ_AGAIN or not filled.lasts(self._clock.check, now):
            return None
        return filled.page

    def _represented(self, key: Key, entry: Entry, page: Entry, accept: bytes | None) -> Representation | Entry:
        shown = represent(page, accept)
        self._memory.reweigh(key, entry)
        return shown

    def _understood(self, others: Collection[Field]) -> bool:
        """Whether these fields, each there once, leave it at choosing a variant and what to send of it."""
        names = {name for name, _ in others}
        return len(names) == len(others) and names <= SELECTING | self._varied

    def _variant(
        self,
        slot: Variants | Entry | None,
        key: Key,
        cookie: bytes | None,
        accept: bytes | None,
        others: Collection[Field],
    ) -> Entry | None:
        """The entry for a request, as soon as it is known which fields the entries vary by."""
        if not isinstance(slot, Variants):
            return slot
        if not self.notable.issuperset(slot.names):
            if len(self._varied) < MOST_VARIED:
                self._varied |= set(slot.names)
                self.notable |= self._varied
            return None
        request = _request("GET", key, cookie, accept, others)
        return slot.entries.get(vary.variant(request, slot.names, self._rules))


def _request(method: str, key: Key, cookie: bytes | None, accept: bytes | None, others: Collection[Field]) -> Request:
    scheme, host, path, query, *decoded = key
    often = ((b"host", host), (b"cookie", cookie), (b"accept-encoding", accept))
    fields = (*((name, value) for name, value in often if value is not None), *others)
    return Request(method, scheme.decode(), path, query, fields, raw=not decoded)
