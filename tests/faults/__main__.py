"""The long form of the random scenario: `python -m tests.faults [SECONDS [SEED]]`, ten minutes if nothing is said."""

# ruff: noqa: T201 - a program talks to its terminal
from __future__ import annotations

import random
import sys
import time

from tests.faults.nemesis import Nemesis
from tests.faults.stage import Stage

SECONDS = 600.0


def main(seconds: float, seed: int) -> int:
    """Run, print what is done and how it goes, and give the exit status."""
    print(f"seed {seed}, {seconds:g} s; again with: make chaos SECONDS={seconds:g} SEED={seed}", flush=True)
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f}  {line}\n        {nemesis}", flush=True)

    with Stage(workers=3) as stage:
        nemesis = Nemesis(stage, seed, tell)
        try:
            nemesis.run(seconds)
        except BaseException as error:
            print(stage.site.output[-20_000:])
            print(f"seed {seed}: {error!r}\n{nemesis}", file=sys.stderr)
            if isinstance(error, AssertionError):
                return 1
            raise
    print(f"seed {seed}: {nemesis}")
    return 0


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(float(given[0]) if given else SECONDS, int(given[1]) if len(given) > 1 else random.randrange(10**6)))
