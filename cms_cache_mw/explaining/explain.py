"""Why a URL is served the way it is: the questions that a request is put through, asked without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from cms_cache_mw.core import policy, vary
from cms_cache_mw.core.entry import Entry
from cms_cache_mw.core.invalidation import origin
from cms_cache_mw.core.keys import Asked, Refused, key_digest, shown_path, shown_query
from cms_cache_mw.core.naming import names_of
from cms_cache_mw.core.status import Reason
from cms_cache_mw.depot import USABLE
from cms_cache_mw.explaining.explanation import ClockTold, Explanation, LeftOut, PurgedBy, Stored, Told, Why
from cms_cache_mw.purge.ledger import instant
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.stores.memory import Variants

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Variant
    from cms_cache_mw.core.message import Request
    from cms_cache_mw.engine import Engine
    from cms_cache_mw.explaining.history import History
    from cms_cache_mw.explaining.journal import Decision
    from cms_cache_mw.purge.ledger import Account

PATIENCE: Final = 1.0
"""Seconds that Redis has for an answer."""
SHOWN: Final = 5
"""Decisions that are shown."""

SET: Final = 1.0
"""Seconds by which the two clocks part only if one of them was set."""

Action = Literal["serve", "revalidate", "fetch", "bypass", "refuse"]


class Explainer:
    """Explains what an engine does with a request."""

    def __init__(self, engine: Engine, history: History) -> None:
        self._engine, self._history = engine, history
        self._offset = engine.wall() - engine.now()

    async def explain(self, request: Request) -> Explanation:
        """What would become of a request now, and why."""
        engine = self._engine
        asked = engine.keys.ask(request)
        gone = policy.bypass(request, engine.rules)
        if engine.gate and not engine.gate.opens(request):
            gone = Reason.OFF
        if isinstance(asked, Refused):
            return self._told(request, None, (), "bypass", gone or asked.reason, cookie=asked.detail)
        trouble = ""
        accounts: list[Account] = []
        try:
            accounts = await self._history.purges()
        except StoreError as error:
            trouble = f"Redis does not tell who purged what ({error})"
        known = {(account.epoch, account.seq): account for account in accounts}
        memory, missed = self._held(asked)
        shared = await self._shared(asked)
        if shared is Reason.UNREADABLE:
            missed = shared
        levels = (("memory", memory), ("shared", shared))
        found = [(level, entry) for level, entry in levels if isinstance(entry, Entry)]
        now = engine.now()
        # A check first: it may note that the entry is valid up to now, which is then shown.
        checked = [(level, entry, engine.worker.clock.check(entry, now)) for level, entry in found]
        action, reason = self._judged(asked, checked, missed, now)
        stored = tuple(self._stored(level, entry, why, known, asked) for level, entry, why in checked)
        return self._told(request, asked, stored, "bypass" if gone else action, gone or reason, trouble=trouble)

    def decisions(self, found: list[Decision]) -> tuple[Told, ...]:
        """Remembered decisions, for people."""
        return tuple(_decision(decision, self.began) for decision in found)

    @property
    def began(self) -> float:
        """When the worker's clock said 0, in seconds since 1970; the same each time, unless the wall clock was set."""
        offset = self._engine.wall() - self._engine.now()
        if abs(offset - self._offset) > SET:
            self._offset = offset
        return self._offset

    def _held(self, asked: Asked) -> tuple[Entry | None, Reason]:
        slot = self._engine.levels.memory.get(asked.key)
        if isinstance(slot, Variants):
            entry = slot.entries.get(vary.variant(asked.request, slot.names, self._engine.rules))
            return entry, Reason.VARY_MISS
        return slot, Reason.URI_MISS

    async def _shared(self, asked: Asked) -> Entry | Reason | None:
        """What Redis has, unchecked."""
        engine = self._engine
        variant: Variant = ()
        for _ in range(2):
            digest = key_digest(asked.key, variant)
            name = f"rendered:{asked.site}:{digest.hex()}"
            found = await engine.levels.depot.read(name, digest, engine.now() + PATIENCE)
            if not isinstance(found, tuple):
                return found
            variant = vary.variant(asked.request, found, engine.rules)
        return None

    def _judged(
        self, asked: Asked, checked: list[tuple[str, Entry, Reason | None]], missed: Reason, now: float
    ) -> tuple[Action, Reason]:
        engine = self._engine
        usable = next(((entry, why) for _, entry, why in checked if why in USABLE), None)
        if usable is None and checked:
            missed = checked[0][2] or missed
        if not engine.worker.clock.holds(now):
            missed, usable = Reason.UNSURE, None
        missed = engine.tally.missed(asked.key, missed, now)
        decision = policy.before(asked.request, usable[0] if usable else None, engine.rules, now, missed=missed)
        match decision:
            case policy.Serve(reason=reason):
                return "serve", usable[1] or reason if usable else reason
            case policy.Revalidate(reason=reason):
                return "revalidate", reason
            case policy.Fetch(reason=reason):
                return "fetch", reason
            case policy.Bypass(reason=reason):
                return "bypass", reason
            case policy.Refuse(reason=reason):
                return "refuse", reason

    def _stored(
        self,
        level: str,
        entry: Entry,
        why: Reason | None,
        known: dict[tuple[str, int], Account],
        asked: Asked,
    ) -> Stored:
        now, wall, fresh = self._engine.now(), self._engine.wall(), entry.freshness
        names = names_of(entry, origin(asked.request))
        purges = self._purges(entry, names, known)
        before = [purge for purge in purges if purge.seq <= entry.base]
        return Stored(
            level=level,
            usable=why in USABLE,
            validity=Why(why, why.meaning) if why else None,
            status=entry.status,
            stored_at=instant(wall - (now - entry.born)),
            age=round(entry.age(now), 3),
            lifetime=fresh.lifetime,
            fresh_for=round(entry.remaining(now), 3),
            stale_while_revalidate=fresh.while_revalidate,
            stale_if_error=fresh.if_error,
            stale_if_gone=fresh.if_gone,
            arithmetic=_arithmetic(entry, now),
            tags=entry.tags,
            implicit=tuple(name for name in names.values() if name not in entry.tags),
            base=entry.base,
            epoch=f"{entry.epoch:016x}",
            variant=_variant(entry.variant),
            bytes=entry.size or len(entry.body),
            encodings=tuple(name.decode("latin-1") for name in entry.encoded),
            parts=tuple(name for _, name in entry.holes),
            hits=entry.hits,
            render_ms=round(entry.render_ms, 3),
            purged_by=tuple(purge for purge in purges if purge.seq > entry.base),
            last_purge=max(before, key=lambda purge: purge.seq, default=None),
        )

    def _purges(self, entry: Entry, names: dict[int, str], known: dict[tuple[str, int], Account]) -> list[PurgedBy]:
        """The purges that this worker remembers of anything an entry depends on."""
        state = self._engine.worker.clock.state
        found: list[PurgedBy] = []
        if entry.epoch != state.epoch:
            return found
        for value in entry.prints:
            soft = state.soft.get(value)
            for kind, seq in (("hard", state.hard.get(value)), ("soft", soft.seq if soft else None)):
                if seq is not None:
                    account = known.get((f"{state.epoch:016x}", seq))
                    told = (account.at, account.who, account.reason) if account else ("", "", "")
                    kind = account.kind if account else kind  # noqa: PLW2901 - a soft one past its grace is kept as hard
                    found.append(PurgedBy(names.get(value, f"{value:016x}"), seq, kind, *told))
        return found

    def _told(
        self,
        request: Request,
        asked: Asked | None,
        stored: tuple[Stored, ...],
        action: Action,
        reason: Reason,
        *,
        cookie: str = "",
        trouble: str = "",
    ) -> Explanation:
        engine = self._engine
        query = shown_query(asked.request.query if asked else request.query)
        url = shown_path(request) + (f"?{query}" if query else "")
        site = asked.site if asked else ""
        past = [decision for decision in engine.tally.journal.search(text=url, site=site) if decision.url == url]
        last = next((decision for decision in past if not decision.hit), None)
        refused = last.detail if last and last.detail not in {None, Reason.STORED, Reason.COLLAPSED} else None
        slot = engine.levels.memory.get(asked.key) if asked else None
        names = slot.names if isinstance(slot, Variants) else ()
        return Explanation(
            url=url,
            site=site,
            action=action,
            why=Why(reason, reason.meaning),
            not_stored=Why(refused, refused.meaning) if refused and not any(found.usable for found in stored) else None,
            key=tuple(part.decode("utf-8", "backslashreplace") for part in asked.key) if asked else (),
            left_out=_left_out(request, asked, cookie),
            variant=_variant(vary.variant(asked.request, names, engine.rules)) if asked else {},
            stored=stored,
            clock=self._clock(),
            decisions=self.decisions(past[:SHOWN]),
            trouble=trouble,
        )

    def _clock(self) -> ClockTold:
        worker, now = self._engine.worker, self._engine.now()
        state, left = worker.clock.state, worker.clock.state.lease_until - now
        lease = -1 if worker.scope == "process" else max(0, round(left * 1000)) if left > 0 else 0
        return ClockTold(left > 0, f"{state.epoch:016x}", state.pos, state.floor, lease)


def _decision(decision: Decision, offset: float) -> Told:
    spent = decision.at - decision.since
    detail = decision.detail if decision.detail not in {None, Reason.HIT} else None
    return Told(
        at=round(decision.at + offset, 6),
        reason=decision.reason,
        detail=detail or "",
        hit=decision.hit,
        level=("shared" if decision.shared else "memory") if decision.hit else "",
        site=decision.site,
        url=decision.url,
        status=decision.status,
        age=round(spent, 3) if decision.hit else None,
        render_ms=None if decision.hit else round(spent * 1000, 3),
    )


def _left_out(request: Request, asked: Asked | None, cookie: str) -> LeftOut:
    if asked is None:
        return LeftOut(bypassing_cookie=cookie)
    kept = asked.request.query.split(b"&")
    parameters = [part for part in request.query.split(b"&") if part and part not in kept]
    sent = _cookies(asked.request)
    return LeftOut(
        tuple(part.partition(b"=")[0].decode("latin-1") for part in parameters),
        tuple(name for name in _cookies(request) if name not in sent),
    )


def _cookies(request: Request) -> list[str]:
    pairs = b";".join(request.lines(b"cookie")).split(b";")
    return [name.decode("latin-1") for pair in pairs if (name := pair.partition(b"=")[0].strip())]


def _variant(variant: Variant) -> dict[str, str | None]:
    return {name.decode("latin-1"): None if value is None else value.decode("latin-1") for name, value in variant}


def _arithmetic(entry: Entry, now: float) -> str:
    age, fresh = entry.age(now), entry.freshness
    if fresh.validate:
        return "no-cache: the origin is asked before each use"
    if age < fresh.lifetime:
        return f"age {age:.1f} s < lifetime {fresh.lifetime:g} s: fresh for {fresh.lifetime - age:.1f} s more"
    late = age - fresh.lifetime
    text = f"age {age:.1f} s >= lifetime {fresh.lifetime:g} s: stale for {late:.1f} s"
    windows = (("while it is revalidated", fresh.while_revalidate), ("in place of an error", fresh.if_error))
    left = [f"{what} for {window - late:.1f} s more" for what, window in windows if window > late]
    return f"{text}; may be served {' and '.join(left)}" if left else f"{text}; may not be served stale"
