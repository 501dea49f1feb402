"""What the default eviction policy costs on a hit and on an insert that evicts, above a plain dict."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from cms_cache_mw import Config
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.stores.memory import Budget, Memory
from cms_cache_mw.stores.policies import POLICIES
from tests.bench.figure import Figure, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cms_cache_mw.stores.eviction import Policy
    from cms_cache_mw.stores.memory import Place

HELD = 5_000
CALLS = 2_000
ROUNDS = 20


def measure() -> Iterator[Figure]:
    """The figures of the default policy."""
    policy = POLICIES[Config().eviction_policy]
    memory = Memory(policy(), Budget(10**9), max_items=10 * HELD)
    keys = [(b"https", b"example.org", b"/%d" % number, b"") for number in range(HELD)]
    for key in keys:
        memory.put(key, _entry())
    plain = {key: _entry() for key in keys}
    asked = keys[7]

    def from_dict() -> None:
        plain.get(asked)

    def from_memory() -> None:
        held = memory.get(asked)
        assert isinstance(held, Entry)
        memory.touch(asked, held)

    dict_hit, hit = interleaved(from_dict, from_memory, calls=CALLS, rounds=ROUNDS)
    yield Figure("default eviction policy on a hit, above a plain dict", (hit - dict_hit) * 1e9, "ns", 100)
    yield Figure("default eviction policy on an insert with eviction", _insert() * 1e6, "µs", 1.5)


def _insert() -> float:
    """Seconds that a policy takes, a dict's own time not counted; one key of ten was used often enough to stay for a while."""
    policy: Policy[Place] = POLICIES[Config().eviction_policy]()
    numbers, others = count(HELD), count(HELD)
    places: list[Place] = [
        ((b"https", b"example.org", b"/%d" % number, b""), ()) for number in range(HELD + ROUNDS * CALLS)
    ]
    entries = [_entry() for _ in places]
    for place, entry in zip(places[:HELD], entries[:HELD], strict=True):
        policy.add(place, entry, 10_000)
    plain = dict.fromkeys(places[:1])

    def insert() -> None:
        number = next(numbers)
        entry = entries[number]
        policy.add(places[number], entry, 10_000)
        if not number % 10:
            entry.hits += 3
        policy.victims(10_000)

    def to_dict() -> None:
        number = next(others)
        entry = entries[number]
        plain[places[number]] = None
        if not number % 10:
            entry.hits += 3
        plain.popitem()

    inserted, dicted = interleaved(insert, to_dict, calls=CALLS, rounds=ROUNDS)
    return inserted - dicted


def _entry() -> Entry:
    return Entry(200, (), b"x" * 100, Freshness(300.0), 0.0, 1, 1, ())
