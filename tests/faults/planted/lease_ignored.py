"""The worker serves from its cache although it cannot know of new purges: its first lease never ends."""

from __future__ import annotations

from math import inf

from cms_cache_mw.purge.clock import Clock
from tests.faults.app import app

__all__ = ["app"]


def _grant(clock: Clock, _: float) -> None:
    clock.state.lease_until = inf


def _revoke(_: Clock) -> None:
    """Keep it."""


Clock.grant = _grant  # type: ignore[assignment, method-assign]
Clock.revoke = _revoke  # type: ignore[assignment, method-assign]
