"""The last decisions of this worker, for `tail` and *explain*: raw tuples in a ring, made readable when somebody asks.

A hit costs one tuple and one append. Nothing here refers to an entry or a request: bodies and cookies are not kept alive.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from cms_cache_mw.core.status import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

LAST: Final = 2_000
"""Decisions that a worker remembers."""
LONGEST_URL: Final = 500
"""Characters that are remembered of the URL of a request which no entry answered."""

DECISION_BYTES: Final = 400
"""What a remembered decision takes."""

Raw: TypeAlias = tuple[float, Reason, Reason | None, bool, str, str, int, float]


class Decision(NamedTuple):
    """What was decided about one request."""

    at: float
    """The instant, on the worker's clock."""
    reason: Reason
    """Why it was answered from the cache, or why not."""
    detail: Reason | None
    """Why the answer was not stored, or that it was; of a hit, what the purge clock said of the entry."""
    shared: bool
    """Whether a hit came from Redis."""
    site: str
    url: str
    status: int
    """Of the answer; 0 where the application gave none."""
    since: float
    """When the entry of a hit was of age 0, or when the render began."""

    @property
    def hit(self) -> bool:
        """Whether an entry was served, fresh or stale."""
        return self.reason in {Reason.HIT, Reason.STALE}

    @property
    def said(self) -> tuple[Reason, ...]:
        """Every reason in it, the first one first."""
        return (self.reason, self.detail) if self.detail and self.detail is not self.reason else (self.reason,)


class Journal:
    """The last decisions, at most `last` of them. `note` takes the raw tuple of a `Decision`."""

    def __init__(self, last: int = LAST) -> None:
        self._decisions: deque[Raw] = deque(maxlen=last)
        self.note: Callable[[Raw], None] = self._decisions.append

    @property
    def bytes(self) -> int:
        """What all of it takes."""
        return DECISION_BYTES * len(self._decisions)

    def search(
        self, *, text: str = "", site: str = "", reason: str = "", after: float = 0.0, most: int = LAST
    ) -> list[Decision]:
        """The newest `most` decisions later than `after` whose URL contains `text`, newest first."""
        found: list[Decision] = []
        # A copy first: a deque must not be walked while another thread appends.
        for raw in reversed(self._decisions.copy()):
            decision = Decision(*raw)
            if decision.at <= after or len(found) == most:
                break
            if text in decision.url and site in {"", decision.site} and (not reason or reason in decision.said):
                found.append(decision)
        return found
