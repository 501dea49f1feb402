"""The promise of `max_memory_mb`: what else a worker keeps is taken off what its entries may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.assembly import Parts
from cms_cache_mw.config import Config
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.tags import remembered_bytes, tag_print
from cms_cache_mw.purge.clock import Logged
from cms_cache_mw.stores.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 8 * 1_048_576


def parts(**options: object) -> Parts:
    """A cache's parts, without Redis and with clocks that stand."""
    return Parts(Config(max_memory_mb=8, **options), now=lambda: 0.0, wall=lambda: 0.0)  # type: ignore[arg-type]


def fill(made: Parts, name: str, count: int, size: int = 20_000) -> None:
    """Put so many entries into a namespace."""
    for number in range(count):
        entry = Entry(200, (), b"x" * size, Freshness(60.0), 0.0, 1, 1, ())
        made.memories[name].put((name.encode(), b"%d" % number), entry)


def collect(made: Parts) -> int:
    """Copies of bodies that are under way."""
    assert made.tally.collect(LIMIT // 4)
    assert not made.tally.collect(1), "they take a quarter at most"
    return LIMIT // 4


def purge(made: Parts) -> int:
    """Purges that the worker remembers."""
    state = made.worker.clock.state
    made.worker.clock.apply([Logged(state.pos + 1, b"", "hard", tuple(range(20_000)), 0.0)], 0.0)
    return 20_000 * 100


def note_tags(made: Parts) -> int:
    """Fingerprints of tags, as far as they are remembered."""
    for number in range(10_000):
        tag_print(f"some:tag:{number}")
    return 400_000


def note_requests(made: Parts) -> int:
    """What is remembered of requests: decisions, cookies, keys that are not cacheable, routes that were warned of."""
    for number in range(5_000):
        made.tally.journal.note((0.0, Reason.URI_MISS, None, False, "site", "/url" * 50, 200, 0.0))
        made.tally.note_cookie(f"cookie{number}")
        made.tally.note_uncacheable((b"key", b"%d" % number), 0.0)
    return 1_000_000


@pytest.mark.parametrize("keep", [collect, purge, note_tags, note_requests])
def test_what_else_is_kept_counts(keep: Callable[[Parts], int]) -> None:
    """Whatever else grows takes room from the entries, at the latest when the next one comes."""
    made = parts()
    fill(made, "rendered", 600)
    assert LIMIT - made._reserved() - 50_000 < made.budget.used <= LIMIT - made._reserved()
    before, least = made._reserved(), keep(made)
    if keep is not note_tags:  # which other tests of this process may have filled
        assert made._reserved() >= before + least
    assert made._reserved() >= least
    fill(made, "blocks", 1)
    assert made.budget.used <= LIMIT - made._reserved()


def test_fingerprints_are_bounded() -> None:
    """However many tags there are, their remembered fingerprints take less than half a megabyte."""
    for number in range(6_000):
        tag_print(f"bounded:{number}")
    assert remembered_bytes() < 500_000


@pytest.mark.parametrize("policy", POLICIES)
def test_namespaces_share_the_limit(policy: str) -> None:
    """Fragments and pages together stay within the limit, and each namespace within its number of entries."""
    made = parts(eviction_policy=policy, max_items_per_type=150)
    for name in made.memories:
        fill(made, name, 200)
    assert all(0 < memory.items <= 150 for memory in made.memories.values())
    assert made.memories["blocks"].items < 150, "which had to make room"
    assert LIMIT * 0.6 < made.budget.used <= LIMIT - made._reserved()
