"""Links and workers of the purge clock, each given back at the end of its test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.purge.link import Link
from tests.purge.member import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.purge.member import Enlist


@pytest.fixture
def ended() -> Iterator[ExitStack]:
    """What is entered here is left at the end of the test, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def connect(redis_url: str, namespace: str, ended: ExitStack) -> Callable[..., Link]:
    """Makes links to an empty server; keyword arguments are those of `Link`."""

    def connect(url: str = redis_url, **options: object) -> Link:
        link = Link(url, namespace, **({"timeout": 2.0} | options))  # type: ignore[arg-type]
        ended.callback(link.close)
        return link

    return connect


@pytest.fixture
def link(connect: Callable[..., Link]) -> Link:
    """A link to an empty server."""
    return connect()


@pytest.fixture
def enlist(namespace: str, ended: ExitStack) -> Enlist:
    """Makes workers that have begun to follow the clock at a URL."""

    def enlist(url: str, *, lease: float = 1.0, leased: bool = True, **options: object) -> Member:
        member = Member(url, namespace, lease=lease, **options)
        ended.callback(member.close)
        if leased:
            member.start()
        return member

    return enlist
