"""A worker of the purge clock, alone: no pages, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cms_cache_mw.purge.worker import Worker
from cms_cache_mw.stores.guard import Breaker

if TYPE_CHECKING:
    from cms_cache_mw.core.status import Reason
    from cms_cache_mw.purge.follower import Follower
    from cms_cache_mw.purge.link import Link
    from cms_cache_mw.purge.ticket import Ticket

EVERYTHING = 1
"""The fingerprint that every entry has."""


@dataclass
class Page:
    """An entry as the clock sees it."""

    epoch: int
    base: int
    prints: tuple[int, ...]


class Member:
    """One worker, with what it holds reduced to a count of how often that became worthless."""

    def __init__(self, url: str | None, namespace: str, *, lease: float, **options: Any) -> None:  # noqa: ANN401
        self.resets = 0
        self.breaker = Breaker()
        self.worker = Worker(
            url, namespace, everything=EVERYTHING, lease=lease, reset=self._reset, breaker=self.breaker, **options
        )

    @property
    def follower(self) -> Follower:
        """Its follower, which has been started."""
        assert self.worker.follower is not None
        return self.worker.follower

    @property
    def name(self) -> str:
        """What it is called in the registry."""
        return self.follower.worker.decode()

    @property
    def sure(self) -> bool:
        """Whether it holds a lease."""
        return self.worker.clock.holds(self.worker._now())

    def start(self) -> None:
        """Begin to follow, and return with the first lease."""
        self.worker.start()
        assert self.follower.leased.result(10)

    def render(self, *tags: int) -> Page:
        """An entry whose render begins now."""
        token = self.worker.clock.token
        return Page(token.epoch, token.pos, (EVERYTHING, *tags))

    def verdict(self, page: Page) -> Reason | None:
        """What the clock says of an entry now."""
        return self.worker.clock.check(page, self.worker._now())

    def purge(self, *tags: int, within: float = 10.0, **options: Any) -> Ticket:  # noqa: ANN401
        """Purge, and return when it is done everywhere."""
        ticket = self.worker.purge(tags, **options)
        assert ticket.done.result(within)
        return ticket

    def settle(self) -> None:
        """Make its epoch one in which acknowledgements count, as it is after a lease time."""
        link = self.worker.link(2.0)
        settled(link)
        link.close()

    def close(self) -> None:
        """Leave."""
        self.worker.stop()

    def _reset(self) -> None:
        self.resets += 1


def settled(link: Link) -> None:
    """Make the epoch in force one in which acknowledgements count, or begin such a one."""
    joined = link.join(0, 0, b"", 0.1)
    link.renew(joined.epoch, joined.seq, joined.tip, b"settler", lease=0.1, outlived=86_400)
    link.leave(joined.epoch, b"settler")


class Enlist(Protocol):
    """Makes workers that have begun to follow the clock at a URL."""

    def __call__(self, url: str, *, lease: float = 1.0, leased: bool = True, **options: Any) -> Member:  # noqa: ANN401
        """A worker; with `leased` it has its first lease."""
        ...
