"""The way in to the application: locks that are claimed before there is room for a render."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.fill import FillLocks
from cms_cache_mw.origin import Origin
from cms_cache_mw.runtime import Runtime, drive
from cms_cache_mw.slots import Slots
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.shared import ThreadShared
from cms_cache_mw.stores.ticker import boottime
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cms_cache_mw.core.entry import Key

KEY: Key = (b"https", b"h", b"/", b"")
DIGEST, OTHER = b"a" * 16, b"b" * 16


@pytest.fixture
def workers(redis_url: str) -> Iterator[tuple[Origin, Origin]]:
    """Two workers on one Redis."""
    store, runtimes = ThreadShared(redis_url, Breaker(), timeout=5.0), (Runtime(), Runtime())
    one, two = (
        Origin(Slots(None), FillLocks(lambda: store, runtime, "cms", boottime), runtime, boottime)
        for runtime in runtimes
    )
    yield one, two
    for runtime in runtimes:
        drive(runtime.finish())
    drive(store.close())


async def nowhere() -> bool:
    """A look for a page that nobody brings."""
    raise AssertionError("nobody else is rendering it")


def test_claimed_ahead_is_whoevers_renders_first(workers: tuple[Origin, Origin]) -> None:
    """A page that the background has claimed for later is rendered at once by a visitor of the same worker, and by no other worker."""
    one, two = workers
    assert drive(one.claim_ahead([DIGEST, OTHER])) == [True, True]
    assert drive(two.claim_ahead([DIGEST])) == [False]
    assert drive(one.lock(KEY, DIGEST, nowhere, boottime() + 5))
    assert not drive(one.claim(KEY, DIGEST)), "the visitor has it"
    assert not drive(two.claim(KEY, DIGEST))
    one.release(KEY, stored=True)
    until(lambda: drive(two.claim(KEY, DIGEST)), "it is free once the visitor's render is stored")
    assert not drive(two.claim(KEY, OTHER)), "what is still waiting is still claimed"


def test_what_was_claimed_in_vain_is_given_back(workers: tuple[Origin, Origin]) -> None:
    """A page that there is no room for after all is left to other workers; not so one that a visitor renders meanwhile."""
    one, two = workers
    drive(one.claim_ahead([DIGEST, OTHER]))
    assert drive(one.claim(KEY, OTHER))
    one.unclaim(DIGEST)
    one.unclaim(OTHER)
    until(lambda: drive(two.claim(KEY, DIGEST)), "it is free again")
    assert not drive(two.claim(KEY, OTHER))
