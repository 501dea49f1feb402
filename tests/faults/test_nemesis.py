"""The random scenario in its short form; `make chaos` is the long one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.nemesis import Nemesis

if TYPE_CHECKING:
    from tests.faults.stage import Stage


@pytest.mark.timeout(180)
def test_random_faults(stage: Stage) -> None:
    """29: whatever happens to workers, network and Redis, one or two at a time: nothing old, no errors, hits everywhere."""
    seed = random.SystemRandom().randrange(10**6)
    nemesis = Nemesis(stage, seed, lambda _: None)
    try:
        nemesis.run(15)
    except BaseException as error:
        error.add_note(f"again with: make chaos SECONDS=15 SEED={seed}")
        raise
