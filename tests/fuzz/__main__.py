"""The long run: `python -m tests.fuzz [SECONDS [SEED]]`, an hour if nothing is said. What fails is added to the corpus."""

# ruff: noqa: T201 - a program talks to its terminal
from __future__ import annotations

import random
import sys
import time
import traceback
from hashlib import sha256

from tests.fuzz.corpus import CORPUS, corpus_of
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS

SECONDS = 3_600.0
SLOW = 5.0
"""Processor seconds that one input may take: the largest is 4 KiB."""


def main(seconds: float, seed: int) -> int:
    """Run, and give how many inputs broke something."""
    chance = random.Random(seed)
    print(f"seed {seed}, {seconds:g} s; again with: make fuzz SECONDS={seconds:g} SEED={seed}", flush=True)
    ends = time.monotonic() + seconds
    tried, broken = dict.fromkeys(TARGETS, 0), 0
    while time.monotonic() < ends and broken < 10:
        for name, target in TARGETS.items():
            raw = mutated(corpus_of(name), chance)
            tried[name] += 1
            began = time.process_time()
            try:
                target(raw)
                assert time.process_time() - began < SLOW, f"{time.process_time() - began:.1f} s of processor time"
            except Exception:  # noqa: BLE001 - any of them is a finding
                broken += 1
                place = CORPUS / name / sha256(raw).hexdigest()[:16]
                place.write_bytes(raw)
                print(f"{name}: {traceback.format_exc()}kept as {place.relative_to(CORPUS.parents[2])}", flush=True)
    print(f"seed {seed}: {', '.join(f'{name} {count}' for name, count in tried.items())}; {broken} broken")
    return broken


if __name__ == "__main__":
    given = sys.argv[1:]
    wanted = float(given[0]) if given else SECONDS
    sys.exit(min(1, main(wanted, int(given[1]) if len(given) > 1 else random.randrange(10**6))))
