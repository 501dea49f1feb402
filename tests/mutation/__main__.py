"""Breaks the pure code on purpose, in one place at a time, and sees whether the tests notice: `make mutate`.

Survivors are listed, except those that `SURVIVORS.md` explains; any other ends the run with an error. `make mutate ARGS="vary ranges"`
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
    from collections.abc import Iterable

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

    def __init__(self, explained: set[str]) -> None:
        self._explained = explained
        self._out = sys.stdout
        self.tried: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()
        self.unexplained = 0

    def tell(self, mutant: Mutant, noticed: bool) -> None:
        """Count a mutant, and name it if nothing explains its survival."""
        self.tried[mutant.module] += 1
        if not noticed:
            self.survived[mutant.module] += 1
            if mutant.name not in self._explained:
                self.unexplained += 1
                print(f"- {mutant.name}", file=self._out, flush=True)

    def sum(self) -> None:
        """Say how many there were."""
        for module, count in self.tried.items():
            print(f"{module:<16}{count:>6} mutants {self.survived[module]:>4} survived")
        tried, survived = self.tried.total(), self.survived.total()
        print(
            f"{tried} mutants, {tried - survived} noticed, {survived} survived, {self.unexplained} of them unexplained"
        )


def run(chosen: Iterable[Mutant], jobs: int, report: Report) -> str:
    """Try them; what pytest says where the tests fail without a mutant, else nothing."""
    coverage = Coverage(data_file=None, config_file=False, include=list(map(str, MODULES.values())))
    coverage.start()
    trials = Trials(chosen, coverage, jobs, report.tell)
    with redirect_stdout(io.StringIO()) as said:
        status = pytest.main([*OPTIONS, *TESTS], plugins=[trials])
    return said.getvalue() if status else ""


def main() -> int:
    """0 where every mutant is noticed or its survival explained."""
    parser = argparse.ArgumentParser(prog="make mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="module", help=f"of {', '.join(MODULES)}; by default all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take only each Nth mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if unknown := set(asked.modules) - set(MODULES):
        parser.error(f"no such module: {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    os.chdir(PACKAGE.parent)
    # Functions first, which takes a tenth of the time.
    chosen = (
        mutant
        for module in asked.modules or MODULES
        for mutant in sorted(mutants(module), key=lambda mutant: mutant.within is None)
    )
    report = Report(set(re.findall(r"^- (.*)$", SURVIVORS.read_text(), re.MULTILINE)))
    if failure := run(islice(chosen, 0, None, asked.every), asked.jobs, report):
        print(failure, "Without a mutant the tests have to pass.", sep="\n")
        return 1
    report.sum()
    return 1 if report.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
