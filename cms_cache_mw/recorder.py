"""Stands between the application's answer and the server: forwards each chunk at once and keeps a copy of what may be stored.

The start of the answer is held until the policy has decided; after that nothing waits. The entry is kept before the last
chunk leaves, so that the next request hits, and the flight is landed whatever happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cms_cache_mw.collecting import Collector
from cms_cache_mw.core import coding, vary
from cms_cache_mw.core.answer import SELECTING, Answer
from cms_cache_mw.core.cacheability import Cacheability
from cms_cache_mw.core.entry import Entry
from cms_cache_mw.core.invalidation import groups, origin
from cms_cache_mw.core.keys import shown_path, shown_query
from cms_cache_mw.core.message import Head, combined
from cms_cache_mw.core.policy import Fallback, Relay, after, failed, relayed
from cms_cache_mw.core.status import OF_THE_REQUEST, Reason, append, write
from cms_cache_mw.core.storing import Freshen, Store
from cms_cache_mw.core.tags import TagError, group_print, implicit_prints, read_tags, tagging
from cms_cache_mw.core.value import replace
from cms_cache_mw.encoding import Gzip
from cms_cache_mw.flight import NOTHING, Landing
from cms_cache_mw.fragments.marks import Marks

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.core.keys import Asked
    from cms_cache_mw.core.message import Fields, Request
    from cms_cache_mw.engine import Engine

VALIDATORS: Final = frozenset({b"etag", b"last-modified"})


class Recorder:
    """One request's way through the application. Whoever makes one closes it, in a `finally`.

    `request` is what the application is to see. `asked` is what was looked for, or `None` for a request that bypasses;
    `land` is told once what came of it.
    """

    def __init__(
        self,
        engine: Engine,
        request: Request,
        reason: Reason,
        asked: Asked | None = None,
        *,
        entry: Entry | None = None,
        land: Callable[[Landing], None] | None = None,
    ) -> None:
        self.request = request
        self.bypassed = asked is None
        self._engine, self._reason, self._asked, self._entry, self._land = engine, reason, asked, entry, land
        self._began = self._headed = engine.now()
        # Before the application is called: what is purged from now on is purged for what it renders (purge-protocol 2.5).
        self._token = engine.worker.clock.token
        self._store: Store | None = None
        self._head = Head(0, ())
        self._tags: tuple[str, ...] = ()
        self.marks = Marks(inline=self.bypassed or not engine.flags.placeholders)
        """What stands in the body for parts that are filled in."""
        self.collector = Collector(engine.now, marks=self.marks)
        """Where what the application renders notes its dependencies."""
        self._chunks: list[bytes] = []
        self._received = self._length = 0
        """Bytes of the body so far, with marks and without."""
        self._size = 0
        """Bytes charged for the copy."""
        self.forsaken = False
        """Whether the application knows that its client has gone: it may stop where it is, and say that this was all."""
        self._encodable = self._noted = False
        self._gzip: Gzip | None = None
        self._encoded: list[bytes] = []

    def begin(self, status: int, fields: Fields) -> Fields | Answer:
        """The fields to send with the application's status, or an answer to send instead of what the application says."""
        self._head = Head(status, fields)
        try:
            begun = self._begin(self._head)
            return begun if isinstance(begun, Answer) else self.marks.unmeasured(begun)
        except Exception as error:  # noqa: BLE001 - a fault of the cache must not become one of the site
            self._engine.tally.fault(error)
            self._give_up(Reason.FAULT)
            return append(relayed(fields, self._engine.rules), write(Reason.FAULT))

    def write(self, chunk: bytes, *, last: bool) -> bytes:
        """The bytes to forward for a chunk of the application's body. A last chunk is kept before it is forwarded."""
        self._received += len(chunk)
        kept, shown = self.marks.read(chunk, self._length, last=last) if self.marks.used else (chunk, chunk)
        self._length += len(kept)
        forwarded = self._gzip.feed(shown, last=last) if self._gzip else shown
        if self._store is not None:
            try:
                self._copy(self._store, kept, forwarded, last=last)
            except Exception as error:  # noqa: BLE001 - the same
                self._engine.tally.fault(error)
                self._give_up(Reason.FAULT)
        return forwarded

    @property
    def listening(self) -> bool:
        """Whether the body has to pass through `write`: a copy is made of it, or it is changed on its way."""
        return self._store is not None or self._gzip is not None or self.marks.used

    async def settle(self) -> None:
        """Obtain the parts that the body marks; to be awaited before `write` where `marks` wants any."""
        try:
            if not await self._engine.placeholders.settle(self.marks):
                self.collector.add(Cacheability(storable=False))
        except Exception as error:  # noqa: BLE001 - the same
            self._engine.tally.fault(error)

    def fail(self) -> Answer | None:
        """The answer to give in place of none: the application raised before it began."""
        if self._asked is None or self._entry is None:
            return None
        fallback = failed(self._asked.request, self._entry, self._engine.rules, self._engine.now())
        if fallback is None or self._engine.barred(fallback.entry):
            return None
        self._note(fallback.reason)
        return self._engine.present(fallback.entry, self._asked.request, write(fallback.reason))

    def close(self) -> None:
        """Land the flight, if that did not happen before, and give back what was collected."""
        if self._store is not None:
            self._give_up(Reason.INCOMPLETE)
        self.let_go()

    def _begin(self, head: Head) -> Fields | Answer:
        rules, asked = self._engine.rules, self._asked
        self._engine.tally.count(self._reason)
        if asked is None:
            self._note()
            self._engine.outdated(self.request, head)
            return append(relayed(head.fields, rules), write(self._reason))
        decision = self._decide(head, asked)
        match decision:
            case Store():
                return self._forward(decision, self._head, asked)
            case Freshen():
                return self._freshen(decision, asked, head.status)
            case Fallback(entry=entry, reason=reason):
                self._note(reason)
                self.let_go()
                return self._engine.present(entry, asked.request, write(reason, head.status))
            case Relay(reason=reason, supersedes=supersedes):
                if supersedes and self._entry:
                    self._engine.levels.drop(asked.key, self._entry)
                self._give_up(reason)
                return append(relayed(self._head.fields, rules), write(self._reason, detail=reason))

    def _decide(self, head: Head, asked: Asked) -> Store | Freshen | Fallback | Relay:
        rules, gathered = self._engine.rules, self.collector.value()
        if gathered.vary:
            self._head = head = Head(head.status, (*head.fields, (b"vary", ", ".join(sorted(gathered.vary)).encode())))
        try:
            self._tags = read_tags(head.fields, rules.tag_headers)
        except TagError as error:
            self.collector.doubtful(str(error))
        now = self._headed = self._engine.now()
        decision = after(
            asked.request,
            head,
            rules,
            now,
            self._engine.wall(),
            delay=now - self._began,
            entry=self._entry,
            tagged=bool(self._tags or gathered.tags),
            anonymous=asked.anonymous,
        )
        refused = self._refused(asked, gathered) if isinstance(decision, Store) else None
        if isinstance(decision, Fallback):
            refused = self._engine.barred(decision.entry)
        return Relay(refused) if refused else decision

    def _refused(self, asked: Asked, gathered: Cacheability) -> Reason | None:
        """Why what has gathered forbids to keep the page, whatever its head says."""
        if self.collector.doubt:
            # An entry without its tags could never be purged.
            self._engine.tally.warn_tags(f"{asked.site}{shown_path(asked.request)}", self.collector.doubt)
            return Reason.TAGS
        if gathered.private:
            return Reason.PERSONAL
        if not gathered.storable:
            return Reason.STALE_PART
        return Reason.SHORT_PART if gathered.lifetime <= 0 else None

    def _freshen(self, decision: Freshen, asked: Asked, status: int) -> Answer:
        assert self._entry is not None
        if refused := self._refused(asked, self.collector.value()):
            decision = replace(decision, refused=refused)
        entry = self._made(self._entry.status, decision, self._entry.body, asked)
        entry.encoded, entry.holes = dict(self._entry.encoded), self._entry.holes
        if decision.refused:
            self._engine.levels.drop(asked.key, self._entry)
            self.let_go(Landing(uncacheable=True))
        else:
            self._engine.keep(asked.key, entry, decision.vary)
            self.let_go(Landing(entry))
        self._note(decision.refused or decision.reason)
        item = write(decision.reason, status, decision.refused, stored=decision.refused is None)
        return self._engine.present(entry, asked.request, item)

    def _forward(self, store: Store, head: Head, asked: Asked) -> Fields | Answer:
        """The fields for an answer of which a copy is kept; a visitor who has it already is told so."""
        self._store = store
        self._encodable = coding.encodes(head, self._engine.rules)
        fields = relayed(head.fields, self._engine.rules)
        item = write(self._reason, stored=True)
        if not self.marks.used and SELECTING & dict(asked.request.fields).keys() and VALIDATORS & dict(fields).keys():
            entry = self._made(head.status, store, b"", asked)
            # The visitor may hold it in a coding that is still to be made.
            entry.encoded = dict.fromkeys(coding.SUFFIXES if self._encodable else (), b"")
            answer = self._engine.present(entry, asked.request, item)
            if answer.status == 304:  # noqa: PLR2004
                return answer
        if self._encodable:
            fields = coding.varied(fields)
            accepted = asked.request.value(b"accept-encoding") or b""
            if self._engine.flags.compression and b"gzip" in coding.acceptable(accepted):
                self._gzip = Gzip()
                fields = coding.represented(fields, b"gzip", -1)
        return append(fields, item)

    def _copy(self, store: Store, chunk: bytes, forwarded: bytes, *, last: bool) -> None:
        size = len(chunk) + (len(forwarded) if self._gzip else 0)
        if not self._engine.tally.collect(size):
            return self._give_up(Reason.COLLECTING)
        self._size += size
        self._chunks.append(chunk)
        if self._gzip:
            self._encoded.append(forwarded)
        if self._length > self._engine.rules.max_body_bytes:
            return self._give_up(Reason.TOO_LARGE)
        return self._finish(store) if last else None

    def _finish(self, store: Store) -> None:
        assert self._asked is not None
        body, encoded = b"".join(self._chunks), b"".join(self._encoded)
        length = self._head.value(b"content-length")
        if self.forsaken if length is None else length.strip() != b"%d" % self._received:
            return self._give_up(Reason.INCOMPLETE)
        # What was rendered while the body was sent counts as well.
        gathered = self.collector.value()
        if refused := self._refused(self._asked, gathered):
            return self._give_up(refused)
        if not {name.encode() for name in gathered.vary} <= set(vary.names(self._head, self._engine.rules) or ()):
            return self._give_up(Reason.LATE_VARY)
        self._store = None
        self._release()
        entry = self._made(self._head.status, store, body, self._asked)
        entry.holes = self.marks.holes
        if encoded and not entry.holes:
            entry.encoded[b"gzip"] = encoded
        encode = self._encodable and not (encoded or entry.holes)
        kept = self._engine.keep(self._asked.key, entry, store.vary, encode=encode)
        self._note(Reason.STORED if kept else Reason.OVERTAKEN)
        return self.let_go(Landing(entry))

    def _made(self, status: int, store: Store | Freshen, body: bytes, asked: Asked) -> Entry:
        """The entry, dated from before its render began."""
        engine, now = self._engine, self._engine.now()
        path, query = shown_path(asked.request), shown_query(asked.request.query)
        gathered = self.collector.value()
        unsaid = self._entry.tags if isinstance(store, Freshen) and self._entry else ()
        names = tuple(dict.fromkeys((*self._tags, *sorted(gathered.tags)))) or unsaid
        language = (combined(store.fields, b"content-language") or b"").decode("latin-1").strip()
        implicit = implicit_prints(asked.site, path, query)
        if self._head.lines(b"cache-groups"):
            implicit += tuple(group_print(origin(asked.request), group) for group in groups(self._head))
        tags = tagging(names, implicit, language)
        return Entry(
            status=status,
            fields=coding.finished(store.fields, body, encodable=self._encodable, status=status),
            body=body,
            freshness=store.freshness.within(store.age + gathered.lifetime),
            # It ages from when its head came, however long the body took.
            born=self._headed - store.age,
            epoch=self._token.epoch,
            base=self._token.pos,
            prints=tags.prints,
            tags=tags.names,
            site=asked.site,
            url=path + (f"?{query}" if query else ""),
            variant=vary.variant(asked.request, store.vary, engine.rules),
            render_ms=(now - self._began) * 1000,
        )

    def _give_up(self, reason: Reason) -> None:
        self._store = None
        self._release()
        self._note(reason)
        self._engine.tally.count(reason)
        if self._asked and reason not in OF_THE_REQUEST:
            self._engine.tally.note_uncacheable(self._asked.key, self._engine.now())
        self.let_go(Landing(uncacheable=reason not in {Reason.INCOMPLETE, Reason.NOT_MODIFIED}))

    def _note(self, detail: Reason | None = None) -> None:
        """Put into the journal what came of it, once."""
        if not self._noted:
            self._noted = True
            asked, status = self._asked or self.request, self._head.status
            now = self._engine.now()
            self._engine.tally.note_sent(now, self._began, asked, self._reason, detail=detail, status=status)

    def _release(self) -> None:
        self._engine.tally.collect(-self._size)
        self._chunks, self._encoded, self._size = [], [], 0

    def let_go(self, landing: Landing = NOTHING) -> None:
        """Land the flight, once: with what came of it, or with nothing, so that others render without waiting for this one."""
        land, self._land = self._land, None
        if land:
            land(landing)
