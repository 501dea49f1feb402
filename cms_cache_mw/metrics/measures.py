"""What a worker publishes of itself in numbers: the names, what they mean, and how those of several workers are joined.

A measure has at most one label, whose values are few and known: never a path, a host, a tag, or anything that a visitor chose.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cms_cache_mw.core.status import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cms_cache_mw.assembly import Parts
    from cms_cache_mw.histogram import Histogram


class Measure(NamedTuple):
    """One measure; counters of all workers add up, those that have ended included, and gauges are joined as `kind` says."""

    kind: Literal["counter", "sum", "max", "histogram"]
    meaning: str
    label: str = ""


MEASURES: Final = {
    "answers": Measure("counter", "Answers by outcome: hit, stale, or why the application was asked.", "outcome"),
    "hits": Measure("counter", "Answers from the cache by the level that had them.", "level"),
    "collapsed": Measure("counter", "Answers from a render that somebody else had asked for."),
    "not_stored": Measure("counter", "Renders that were not stored, by reason.", "reason"),
    "fragments": Measure("counter", "Fragments used, by outcome.", "outcome"),
    "evictions": Measure("counter", "Entries that went for want of room.", "namespace"),
    "unreadable": Measure("counter", "Values in Redis that could not be used."),
    "audit": Measure("counter", "Hits that were rendered again, by what came of it.", "outcome"),
    "hit_seconds": Measure("histogram", "Time to find a plain hit: one a second is timed in each worker."),
    "render_seconds": Measure("histogram", "Time from asking the application until its answer was stored or passed on."),
    "entries": Measure("sum", "Entries in memory.", "namespace"),
    "memory_bytes": Measure("sum", "Memory charged to entries.", "namespace"),
    "memory_used_bytes": Measure("sum", "Memory charged in all, copies being collected and remembered purges included."),
    "memory_limit_bytes": Measure("sum", "The most that may be charged."),
    "renders": Measure("sum", "Renders of pages under way."),
    "renders_waiting": Measure("sum", "Renders of pages that wait for the application."),
    "workers": Measure("sum", "Workers that publish their numbers."),
    "workers_leased": Measure("sum", "Workers that may serve from their cache."),
    "breakers_open": Measure("sum", "Workers that do not ask Redis for entries at the moment."),
    "purges_unrecorded": Measure("sum", "Purges that Redis has not taken yet."),
    "purge_lag": Measure("max", "Purges that the slowest worker has still to apply."),
    "purge_position": Measure("max", "The number of the latest purge that was applied."),
    "purge_propagation_seconds": Measure("max", "What the latest trial took to be acknowledged by every worker."),
    "staleness_ratio": Measure("max", "Measured share of wrong hits among those audited, and its 95 % bounds.", "bound"),
    "audit_rate": Measure("max", "The share of hits that are audited."),
}  # fmt: skip
"""By name, less the prefix `cms_cache_`."""
_LEVELS: Final = ("memory", "shared")
_OUTCOMES: Final = {reason.value for reason in Reason if reason.fwd} | {Reason.HIT, Reason.STALE, Reason.FAULT}
"""Reasons that say what became of a request; the others say why its answer was not stored."""

Numbers = dict[str, float]
"""Values by measure, and after a `|` the value of its label."""


def taken(parts: Parts, now: float) -> Numbers:
    """The numbers of one worker."""
    answers, clock, follower = parts.tally.answers, parts.worker.clock, parts.worker.follower
    found: Numbers = {}
    for word, count in answers.items():
        found[_answer(word)] = found.get(_answer(word), 0) + count
    for name, memory in parts.memories.items():
        found |= {f"evictions|{name}": memory.evictions, f"entries|{name}": memory.items}
        found[f"memory_bytes|{name}"] = memory.bytes
    found |= {f"audit|{outcome}": count for outcome, count in parts.audit.outcomes.items()}
    found |= _counted("hit_seconds", parts.hit_seconds) | _counted("render_seconds", parts.tally.renders)
    found |= {
        "unreadable": parts.depot.unreadable,
        "memory_used_bytes": parts.budget.used,
        "memory_limit_bytes": parts.budget.max_bytes,
        "renders": parts.origin.slots.taken,
        "renders_waiting": parts.origin.slots.waiting,
        "workers": 1,
        "workers_leased": clock.holds(now),
        "breakers_open": parts.breaker.open,
        "purges_unrecorded": parts.worker.unrecorded,
        "purge_lag": follower.behind if follower else 0,
        "purge_position": clock.state.pos,
        "purge_propagation_seconds": parts.worker.propagation or 0.0,
        "audit_rate": parts.switchboard.positions.audit_rate,
    }
    return {key: float(value) for key, value in found.items()}


def joined(living: Iterable[Mapping[str, float]], ended: Mapping[str, float]) -> Numbers:
    """The numbers of all workers; of those that have ended only what counts up."""
    found = lasting(ended)
    for numbers in living:
        for key, value in numbers.items():
            kind = kind_of(key)
            if kind is not None:
                found[key] = max(found.get(key, value), value) if kind == "max" else found.get(key, 0.0) + value
    return found


def lasting(numbers: Mapping[str, float]) -> Numbers:
    """What counts up of some numbers."""
    return {key: value for key, value in numbers.items() if kind_of(key) in {"counter", "histogram"}}


def kind_of(key: str) -> str | None:
    """The kind of the measure that a number belongs to; nothing for one of another version."""
    measure = MEASURES.get(key.partition("|")[0])
    return measure.kind if measure else None


def _answer(word: str) -> str:
    if word in _LEVELS:
        return f"hits|{word}"
    if word.startswith("fragment-"):
        return f"fragments|{word.removeprefix('fragment-')}"
    if word == "collapsed":
        return word
    return f"answers|{word}" if word in _OUTCOMES else f"not_stored|{word}"


def _counted(name: str, histogram: Histogram) -> Numbers:
    bounds = (*map(str, histogram.bounds), "+Inf")
    rows = {f"{name}|{bound}": float(count) for bound, count in zip(bounds, accumulate(histogram.counts), strict=True)}
    return rows | {f"{name}|sum": histogram.total}
