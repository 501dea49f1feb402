"""Hit ratios of eviction policies on a trace: ours as the memory uses them, and libcachesim's as the peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cms_cache_mw.stores.eviction import Policy
    from tests.policies.traffic import Request

    Trace: TypeAlias = Sequence[Request]

WARMING: Final = 0.25
"""Share of a trace that fills the cache and is not counted."""
PEERS: Final = {"LRU": "LRU", "S3-FIFO": "S3FIFO", "W-TinyLFU": "WTinyLFU", "SIEVE": "Sieve"}
"""Their names, and those of their classes in libcachesim."""

UNREMOVABLE: Final = {"W-TinyLFU"}
"""Peers whose removal corrupts their memory (libcachesim 0.3.5): what was purged stays there until it is evicted."""


class _Page:
    """What is held, with its count of uses."""

    __slots__ = ("hits", "site", "size", "version")

    def __init__(self, size: int, version: int) -> None:
        self.size, self.version, self.hits, self.site = size, version, 0, ""


def footprint(trace: Trace) -> int:
    """Bytes that everything in a trace takes."""
    return sum({request.key: request.size for request in trace}.values())


def simulated(policy: Policy[int], max_bytes: int, trace: Trace) -> float:
    """The share of requests that one of our policies answers from `max_bytes`; what was purged meanwhile is a miss."""
    held: dict[int, _Page] = {}
    used = hits = 0
    counted = int(len(trace) * WARMING)
    for number, request in enumerate(trace):
        page = held.get(request.key)
        if page and page.version == request.version:
            page.hits += 1
            if policy.ordered:
                policy.touch(request.key)
            hits += number >= counted
            continue
        if page:
            policy.remove(request.key)
            used -= held.pop(request.key).size
        if request.size <= max_bytes:
            page = held[request.key] = _Page(request.size, request.version)
            policy.add(request.key, page, request.size)
            used += request.size
        for victim in policy.victims(used - max_bytes):
            used -= held.pop(victim).size
    return hits / (len(trace) - counted)


def peer(name: str, max_bytes: int, trace: Trace) -> float:
    """The same for a policy of libcachesim."""
    try:
        import libcachesim
    except ImportError as error:
        raise ImportError("the peers need libcachesim: pip install cms_cache_mw[bench]") from error
    cache: Any = getattr(libcachesim, PEERS[name])(max_bytes, hashpower=16)
    asked, versions, hits = libcachesim.Request(), dict[int, int](), 0
    counted = int(len(trace) * WARMING)
    for number, request in enumerate(trace):
        asked.obj_id, asked.obj_size, asked.clock_time = request.key, request.size, int(request.at)
        if name in UNREMOVABLE:
            asked.obj_id += request.version << 32
        elif versions.get(request.key) != request.version:
            cache.remove(request.key)
            versions[request.key] = request.version
        hits += cache.get(asked) and number >= counted
    return hits / (len(trace) - counted)


def compared(trace: Trace, max_bytes: int, ours: dict[str, Callable[[], Policy[int]]]) -> dict[str, float]:
    """The hit ratios of all policies, ours by their option's value."""
    found = {name: simulated(policy(), max_bytes, trace) for name, policy in ours.items()}
    return found | {name: peer(name, max_bytes, trace) for name in PEERS}
