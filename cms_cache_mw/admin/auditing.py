"""What the comparator found, for those who may look."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from cms_cache_mw.auditing.audit import Mismatch

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call, Nothing


class Audited(msgspec.Struct, frozen=True):
    """The comparisons of one worker; the counters of all are in the metrics."""

    pid: int
    audit_rate: float
    outcomes: dict[str, int]
    """same, stale, unkeyed; outdated (purged meanwhile), unrendered and busy, which say nothing."""
    share: float
    """Of wrong hits among those compared."""
    low: float
    high: float
    """Bounds of the true share, with 95 % confidence."""
    findings: tuple[Mismatch, ...]
    """The latest ones, newest first."""


async def audited(call: Call, _: Nothing) -> Audited:
    """What came of comparing hits with what would have been rendered, in this worker."""
    audit = call.cache.parts.audit
    return Audited(
        os.getpid(),
        call.cache.parts.switchboard.positions.audit_rate,
        {str(outcome): count for outcome, count in audit.outcomes.items()},
        *audit.staleness(),
        tuple(reversed(audit.findings)),
    )
