"""`python -m tests.bench [NAME …]`: run the benchmarks and print their figures; with CHECK=1 a missed goal is an exit code of 1."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING

import tests.bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.figure import Figure

APART = {"browser", "figure", "__main__"}


def figures(wanted: list[str]) -> Iterator[Figure]:
    """The figures of each benchmark module that is wanted; all of them without a name."""
    names = sorted(module.name for module in pkgutil.iter_modules(tests.bench.__path__) if module.name not in APART)
    if unknown := set(wanted) - set(names):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for name in names:
        if not wanted or name in wanted:
            yield from importlib.import_module(f"tests.bench.{name}").measure()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Print a line for each figure as it comes."""
    missed = 0
    _say(f"{'figure':<64}{'measured':>12}{'goal':>12}")
    for figure in figures(sys.argv[1:]):
        missed += not figure.holds
        line = f"{figure.name:<64}{figure.value:>9.3g} {figure.unit:<3}{figure.goal:>8g} {figure.unit:<3}"
        _say(line + ("" if figure.holds else "  missed"))
    return 1 if missed and os.environ.get("CHECK") else 0


if __name__ == "__main__":
    sys.exit(main())
