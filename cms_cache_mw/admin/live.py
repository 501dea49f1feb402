"""`GET /events`: how the cache is doing, a line of JSON a second, for the dashboard.

Where a server can send an answer bit by bit it goes on for ten seconds, and the page then asks again: a server that is told to
end waits for the answers under way. Under WSGI, where it would hold a thread, it is one line. However many listen, a line is
made once a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import msgspec

from cms_cache_mw.admin.observing import stats
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cms_cache_mw.admin.endpoint import Call, Nothing
    from cms_cache_mw.cache import Cache

LINES: Final = "application/jsonl"
EVERY: Final = 1.0
"""Seconds between two lines."""
LASTS: Final = 10
"""Lines of an answer that goes on."""
SHOWN: Final = 60
"""Decisions that a line tells."""
_KEPT_AWAY: Final = frozenset(reason for reason in Reason if reason.fwd in {"bypass", "method"})
_SENT_ON: Final = frozenset(reason for reason in Reason if reason.fwd) - _KEPT_AWAY

_newest: Final[WeakKeyDictionary[Cache, tuple[float, bytes]]] = WeakKeyDictionary()


class Live(Value, frozen=True):
    """An answer that goes on: its beginning, and what gives the next line."""

    begun: Answer
    line: Callable[[], Awaitable[bytes]]


async def events(call: Call, nothing: Nothing) -> Live:
    """A line at once, and one each second where the server can send it."""

    async def line() -> bytes:
        return await _line(call, nothing)

    fields = (
        (b"content-type", LINES.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
    return Live(Answer(200, fields, (await line(),)), line)


async def _line(call: Call, nothing: Nothing) -> bytes:
    cache, now = call.cache, call.cache.engine.now()
    made, line = _newest.get(cache, (-EVERY, b""))
    if now - made >= EVERY * 0.9:
        line = msgspec.json.encode(_snapshot(cache, await stats(call, nothing))) + b"\n"
        _newest[cache] = now, line
    return line


def _snapshot(cache: Cache, told: dict[str, Any]) -> dict[str, object]:
    """Counters are of all workers on this host; the rest is of the one that was asked."""
    numbers = cache.parts.metrics.all()
    answers = {key.partition("|")[2]: count for key, count in numbers.items() if key.startswith("answers|")}
    collapsed = numbers.get("collapsed", 0)
    decisions = cache.parts.explainer.decisions(cache.engine.tally.journal.search(most=SHOWN))
    return {
        "at": cache.engine.wall(),
        "outcomes": {
            "memory": numbers.get("hits|memory", 0),
            "shared": numbers.get("hits|shared", 0),
            "collapsed": collapsed,
            # Whoever shared a render is counted among those who missed, too.
            "rendered": max(0, sum(answers.get(reason, 0) for reason in _SENT_ON) - collapsed),
            "bypassed": sum(answers.get(reason, 0) for reason in _KEPT_AWAY),
        },
        "bypasses": {str(reason): answers[reason] for reason in _KEPT_AWAY if answers.get(reason)},
        "seconds": {kind: _buckets(numbers, f"{kind}_seconds|") for kind in ("hit", "render")},
        "workers": numbers.get("workers", 1),
        "origin_limit": cache.config.origin_concurrency,
        "stats": told,
        "decisions": decisions,
    }


def _buckets(numbers: Mapping[str, float], prefix: str) -> list[tuple[float, float]]:
    """A histogram as how many took at most so many seconds."""
    bounds = [key.removeprefix(prefix) for key in numbers if key.startswith(prefix)]
    return sorted((float(bound), numbers[prefix + bound]) for bound in bounds if bound not in {"sum", "+Inf"})
