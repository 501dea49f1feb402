"""`python -m tests.policies [FILE …]`: run all policies on made-up traffic, or on traces and access logs, and print hit ratios.

With `--plot FILE` they are drawn as well. With CHECK=1 a missed goal is an exit code of 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Final

from cms_cache_mw import Config
from cms_cache_mw.stores.lfu import LFU
from cms_cache_mw.stores.lru import LRU
from cms_cache_mw.stores.s3fifo import S3FIFO
from tests.policies.logs import read
from tests.policies.plot import drawn
from tests.policies.simulation import PEERS, compared, footprint
from tests.policies.traffic import SITES, trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cms_cache_mw.stores.eviction import Policy
    from tests.policies.simulation import Trace

OURS: Final[dict[str, Callable[[], Policy[int]]]] = {"s3fifo": S3FIFO, "lru": LRU, "lfu": LFU}
SHARES: Final = (0.01, 0.05, 0.2)
"""Sizes of the cache, as shares of what everything would take."""
IN_MEAN: Final = 0.98
"""Of the best peer's hit ratio, what the default has to reach in the mean."""
EACH: Final = 0.92
"""The same on each trace at each size."""


def _traces(files: list[Path], requests: int, seed: int) -> Iterator[tuple[str, Trace]]:
    for path in files:
        yield path.name, read(path)
    if not files:
        for name, site in SITES.items():
            yield name, list(trace(site, requests, seed))


def _said(rows: dict[str, dict[str, float]], row: str, ratio: float) -> None:
    if len(rows) == 1:
        sys.stdout.write(f"{'':<24}{''.join(f'{name:>11}' for name in rows[row])}{'to best':>11}\n")
    sys.stdout.write(f"{row:<24}{''.join(f'{value:>11.3f}' for value in rows[row].values())}{ratio:>11.3f}\n")
    sys.stdout.flush()


def main() -> int:
    """Print a line for each trace and size."""
    options = argparse.ArgumentParser(prog="tests.policies", description=main.__doc__)
    options.add_argument("files", nargs="*", type=Path, help="traces of traffic.py, or access logs")
    options.add_argument("--requests", type=int, default=300_000, help="length of made-up traces")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--plot", type=Path, help="an SVG to write")
    chosen = options.parse_args()
    rows: dict[str, dict[str, float]] = {}
    ratios: list[float] = []
    default = Config().eviction_policy
    for name, requests in _traces(chosen.files, chosen.requests, chosen.seed):
        whole = footprint(requests)
        for share in SHARES:
            row = f"{name}, {share:.0%}"
            rows[row] = compared(requests, int(whole * share), OURS)
            ratio = rows[row][default] / max(rows[row][peer] for peer in PEERS)
            ratios.append(ratio)
            _said(rows, row, ratio)
    overall, least = mean(ratios), min(ratios)
    sys.stdout.write(
        f"{default} to the best peer: mean {overall:.3f} (goal {IN_MEAN}), least {least:.3f} (goal {EACH})\n"
    )
    if chosen.plot:
        chosen.plot.write_text(drawn(rows))
    return 1 if (overall < IN_MEAN or least < EACH) and os.environ.get("CHECK") else 0


if __name__ == "__main__":
    sys.exit(main())
