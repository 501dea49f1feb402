"""Breaks the pure code on purpose, in one place at a time, and sees whether the tests notice: `make mutate`.

Survivors are listed, and end the run with an error; what `SURVIVORS.md` explains is not tried. `make mutate ARGS="vary ranges"`
for some modules; `--every 10` takes each tenth mutant.
"""

# ruff: noqa: T201 - a program talks to its terminal
from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections import Counter
from contextlib import redirect_stdout
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from coverage import Coverage

from tests.mutation.mutants import MODULES, PACKAGE, VALUES, mutants
from tests.mutation.trial import PROFILE, Trials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.mutation.mutants import Mutant

SURVIVORS: Final = Path(__file__).with_name("SURVIVORS.md")
TESTS: Final = ("tests/core", *(f"tests/purge/test_{name}.py" for name in VALUES))
OPTIONS: Final = (
    f"--hypothesis-profile={PROFILE}",
    "--capture=no",
    "-otimeout=0",
    "-pno:randomly",
    "-pno:cacheprovider",
)


class Report:
    """What came of the mutants, module by module."""

    def __init__(self, explanations: str) -> None:
        self._known = set(re.findall(r"^- (.*)$", explanations, re.MULTILINE))
        self._out = sys.stdout
        self._noticed: Counter[str] = Counter()
        self._explained: Counter[str] = Counter()
        self._survived: Counter[str] = Counter()

    def explains(self, mutant: Mutant) -> bool:
        """Whether its survival is explained, by its name or with its whole line; such a mutant is counted and need not be tried."""
        explained = not self._known.isdisjoint({mutant.name, f"{mutant.module}: `{mutant.source}` …"})
        self._explained[mutant.module] += explained
        return explained

    def tell(self, mutant: Mutant, noticed: bool) -> None:
        """Count a mutant, and name it if it survived."""
        if noticed:
            self._noticed[mutant.module] += 1
        else:
            self._survived[mutant.module] += 1
            print(f"- {mutant.name}", file=self._out, flush=True)

    def sum(self) -> bool:
        """Say how many there were; whether all that survive are explained."""
        for module in MODULES:
            if self._noticed[module] or self._survived[module]:
                self._row(module, self._noticed[module], self._explained[module], self._survived[module])
        self._row("all", self._noticed.total(), self._explained.total(), self._survived.total())
        return not self._survived

    @staticmethod
    def _row(name: str, noticed: int, explained: int, survived: int) -> None:
        sum_ = noticed + explained + survived
        print(f"{name:<16}{sum_:>6} mutants {noticed:>6} noticed {explained:>5} explained {survived:>5} survived")


def run(chosen: Iterable[Mutant], jobs: int, tell: Callable[[Mutant, bool], None], tests: Iterable[str] = TESTS) -> str:
    """Try them, and tell of each whether the tests noticed; what pytest says where they fail without a mutant, else nothing."""
    coverage = Coverage(data_file=None, config_file=False, include=list(map(str, MODULES.values())))
    coverage.start()
    trials = Trials(chosen, coverage, jobs, tell)
    with redirect_stdout(io.StringIO()) as said:
        status = pytest.main([*OPTIONS, *tests], plugins=[trials])
    return said.getvalue() if status else ""


def main() -> int:
    """The exit status: 0 where every mutant is noticed or its survival explained."""
    parser = argparse.ArgumentParser(prog="make mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="module", help=f"of {', '.join(MODULES)}; by default all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take only each Nth mutant")
    parser.add_argument(
        "--functions", action="store_true", help="leave out what imports evaluate, which takes most of the time"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if unknown := set(asked.modules) - set(MODULES):
        parser.error(f"no such module: {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    os.chdir(PACKAGE.parent)
    report = Report(SURVIVORS.read_text())
    chosen = (
        mutant
        for module in asked.modules or MODULES
        for mutant in sorted(mutants(module), key=lambda mutant: mutant.within is None)
        if (mutant.within or not asked.functions) and not report.explains(mutant)
    )
    if failure := run(islice(chosen, 0, None, asked.every), asked.jobs, report.tell):
        print(failure, "Without a mutant the tests have to pass.", sep="\n")
        return 1
    return 0 if report.sum() else 1


if __name__ == "__main__":
    sys.exit(main())
