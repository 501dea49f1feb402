"""`python -m tests.bench [NAME …]`: run the benchmarks and print their figures.

With CHECK=1 the exit code is 1 where a ratio is more than 15 % worse than the one in `recorded.json`, or, where none is there, a
goal is missed. Times are shown and not checked: they say more of the machine than of us. RECORD=1 writes that file.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import tests.bench

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.bench.figure import Figure

RECORDED = Path(__file__).with_name("recorded.json")
APART = {"browser", "figure", "plot", "__main__"}


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


def reported(measured: Iterable[Figure], recorded: dict[str, float]) -> int:
    """How many figures do not pass, after a line for each as it comes; `recorded` has the new ratios then."""
    worse = 0
    _say(f"{'figure':<64}{'measured':>12}{'goal':>12}{'recorded':>12}")
    for figure in measured:
        before = recorded.get(figure.name)
        passes = figure.passes(before)
        worse += not passes
        line = f"{figure.name:<64}{figure.value:>9.3g} {figure.unit:<3}{figure.goal:>8g} {figure.unit:<3}"
        line += f"{before:>8.3g} {figure.unit:<3}" if before else " " * 12
        _say(line + ("" if figure.holds else "  missed") + ("" if passes else "  worse"))
        if figure.unit == "x":
            recorded[figure.name] = round(figure.value, 2)
    return worse


def main() -> int:
    """Measure what is asked for; the exit code is 1 where a figure does not pass and that is to be known."""
    recorded: dict[str, float] = json.loads(RECORDED.read_text())
    worse = reported(figures(sys.argv[1:]), recorded)
    if os.environ.get("RECORD"):
        RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")
    return 1 if worse and os.environ.get("CHECK") else 0


if __name__ == "__main__":
    sys.exit(main())
