"""Which requests the cache is on for: a share of them, or those of some paths; and which are audited.

There is no gate where it is on for all and nothing is audited.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from cms_cache_mw.auditing.audit import Sampled
from cms_cache_mw.core.status import Reason
from cms_cache_mw.engine import Sought
from cms_cache_mw.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.auditing.audit import Audit
    from cms_cache_mw.core.message import Request
    from cms_cache_mw.engine import Engine, Step
    from cms_cache_mw.switching.switches import EnableFor

    Draw = Callable[[], float]


class Gate:
    """Looks requests up, less those that the cache is off for. `draw` gives random numbers from 0 to 1, 1 excluded."""

    def __init__(
        self,
        engine: Engine,
        enable_for: EnableFor,
        audit: Audit | None = None,
        audit_rate: float = 0.0,
        *,
        draw: Draw = random.random,
    ) -> None:
        self._audit, self._rate = audit, audit_rate
        self._engine, self._draw = engine, draw
        self._share = 1.0 if isinstance(enable_for, tuple) else enable_for
        self._paths = _paths(enable_for) if isinstance(enable_for, tuple) else None

    def lookup(self, request: Request) -> Step | Sought | Sampled:
        """What memory has for a request, or a recorder that keeps the answer away from the cache; some make a sample."""
        on = self.opens(request)
        sample = self._audit.sample(request, shadow=not on) if self._audit and self._draw() < self._rate else None
        step = self._engine.lookup(request) if on else Recorder(self._engine, request, Reason.OFF)
        return step if sample is None or isinstance(step, Sought) else Sampled(step, sample)

    def opens(self, request: Request) -> bool:
        """Whether the cache is on for a request."""
        if self._paths is not None:
            return self._paths.fullmatch(request.path) is not None
        return self._share >= 1 or self._draw() < self._share


def _paths(patterns: tuple[str, ...]) -> re.Pattern[bytes]:
    """What the paths as they are on the wire have to be; `*` stands for anything, slashes included."""
    alternatives = (re.escape(pattern.encode()).replace(rb"\*", rb".*") for pattern in patterns)
    return re.compile(b"|".join(alternatives) or rb"(?!)", re.DOTALL)
