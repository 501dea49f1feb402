"""One site's flood is that site's: what others hold, and their hits, stay."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw import Config
from cms_cache_mw.assembly import Parts
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.stores.memory import Budget, Memory, weigh
from cms_cache_mw.stores.policies import POLICIES
from cms_cache_mw.stores.shares import Shares

if TYPE_CHECKING:
    from cms_cache_mw.stores.eviction import Policy
    from cms_cache_mw.stores.memory import Place

PAGES = 80
"""Of the site that is visited; twice as many entries have room."""


def page(site: str) -> Entry:
    """A page of a site."""
    return Entry(200, (), b"x" * 2_000, Freshness(1e6), 0.0, 1, 1, (), site=site)


def hit_ratio(policy: Policy[Place], *, flood: int, times: int) -> float:
    """Of a site's visitors, while another one is asked for so many made-up addresses between two of them, each so many times."""
    size = weigh((b"https", b"main", b"/123456789", b""), page("main"))
    memory = Memory(policy, Budget(2 * PAGES * size), max_items=100_000, now=lambda: 0.0)
    chance, weights = random.Random(1), list(accumulate(1 / (rank + 1) for rank in range(PAGES)))
    hits: list[bool] = []

    def ask(site: str, number: int) -> bool:
        key = (b"https", site.encode(), b"/%d" % number, b"")
        held = memory.get(key)
        if not isinstance(held, Entry):
            memory.put(key, page(site))
            return False
        held.hits += 1
        memory.touch(key, held)
        return True

    for _ in range(2_000):
        hits.append(ask("main", chance.choices(range(PAGES), cum_weights=weights)[0]))
        for _ in range(flood):
            made_up = chance.randrange(10**8, 10**9)
            for _ in range(times):
                ask("shop", made_up)
    return sum(hits[500:]) / len(hits[500:])


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_flood_of_another_site(policy: str, times: int) -> None:
    """Made-up addresses of one site leave the hits of another as they were, also where each is asked for often enough to stay."""
    alone = hit_ratio(Shares(POLICIES[policy]), flood=0, times=0)
    assert hit_ratio(Shares(POLICIES[policy]), flood=10, times=times) >= 0.99 * alone > 0.9


def test_admission_alone_bears_what_is_asked_for_once() -> None:
    """Without shares the default policy keeps most hits while addresses are asked for once, and few where they are asked for again."""
    policy = POLICIES[Config().eviction_policy]
    assert hit_ratio(policy(), flood=10, times=1) > 0.7
    assert hit_ratio(policy(), flood=10, times=3) < 0.6


@pytest.mark.parametrize(("sites", "shared"), [({}, False), ({"a": "main"}, False), ({"a": "main", "b": "shop"}, True)])
def test_sites_that_are_configured_have_shares(sites: dict[str, str], shared: bool) -> None:
    """Where the sites are known each has a share; made-up hosts have none."""
    parts = Parts(Config(sites=sites), now=lambda: 0.0, wall=lambda: 0.0)
    assert isinstance(parts.memories["rendered"]._policy, Shares) is shared
