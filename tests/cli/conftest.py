"""A site in two workers behind the cache, and somebody at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Shell
from tests.support.server import Server
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey for all tests of the command line: not to be stopped."""
    with Server("valkey") as server:
        yield server


@pytest.fixture(scope="session")
def site(valkey: Server) -> Iterator[Site]:
    """A site in two workers: to be paused, not to be stopped."""
    with Site(valkey, workers=2, options={"LEASE_SECONDS": "3"}) as site:
        yield site


@pytest.fixture
def shell(site: Site, valkey: Server) -> Shell:
    """Somebody who asks the first worker."""
    return Shell(site.workers[0].url, CMS_CACHE_REDIS_URL=valkey.url)
