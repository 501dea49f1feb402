"""What mutants there are, and what a trial makes of one."""

from __future__ import annotations

import ast
import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.mutation.__main__ import SURVIVORS, run
from tests.mutation.mutants import MODULES, Mutant, Span, mutants


def test_differ_from_what_they_were() -> None:
    """A mutant is a module that says something else than any other, in the line by which it is called."""
    text = MODULES["lease"].read_text()
    chosen = list(mutants("lease"))
    assert len({mutant.code for mutant in chosen}) == len(chosen)
    for mutant in chosen:
        assert mutant.source == text.splitlines()[mutant.line - 1].strip()
        assert mutant.name.startswith(f"lease: `{mutant.source}` ")


def test_know_their_function() -> None:
    """A change of a body is known by the outermost function; of a constant or a default, by none."""
    within = {mutant.source: mutant.within for mutant in mutants("lease")}
    body = MODULES["lease"].read_text().splitlines().index("    return lease * (1 - EPSILON)") + 1
    assert within["return lease * (1 - EPSILON)"] == Span(body - 2, body, body)


def test_types_are_not_broken() -> None:
    """No test could notice what type checkers alone read."""
    lines = {mutant.source for module in ("codec", "policy", "wire") for mutant in mutants(module)}
    assert not [line for line in lines if "TypeAlias" in line or line.startswith("def _sum(")]


@pytest.mark.parametrize("module", ["vary", "clock"])
def test_documentation_is_not_broken(module: str) -> None:
    """No test could notice a docstring."""
    assert not [mutant for mutant in mutants(module) if mutant.source.startswith('"""')]


def test_explanations_are_of_what_is_there() -> None:
    """A survivor that is explained is still a line of its module: the explanation of one that is gone goes too."""
    explained = re.findall(
        r"^- (\w+): `(.+)` (?:…|.+ -> .+|condition negated|returns None)$", SURVIVORS.read_text(), re.MULTILINE
    )
    assert len(explained) == len(re.findall("^- ", SURVIVORS.read_text(), re.MULTILINE))
    lines = {name: {line.strip() for line in path.read_text().splitlines()} for name, path in MODULES.items()}
    assert not [(module, source) for module, source in explained if source not in lines[module]]


def outcomes() -> tuple[str, dict[str, bool]]:
    """What is said of the clock as it is, of one that begins with a floor, and of one that does not end a lease at its end."""
    path = MODULES["clock"]
    unchanged = Mutant("clock", 1, "all", "unchanged", compile(ast.parse(path.read_text()), path, "exec"), None)
    lines = {"floor: int = 0": "0 -> 1", "if now >= state.lease_until:": "GtE -> Gt"}
    changed = [mutant for mutant in mutants("clock") if lines.get(mutant.source) == mutant.change]
    noticed: dict[str, bool] = {}

    def tell(mutant: Mutant, seen: bool) -> None:
        noticed[mutant.source] = seen

    return run([unchanged, *changed], 1, tell, ["tests/purge/test_clock.py"]), noticed


def test_trials() -> None:
    """What changes nothing is not noticed, though everything is imported anew for it; a broken table, default or body is."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        failure, noticed = apart.submit(outcomes).result()
    assert not failure
    assert noticed == {"all": False, "floor: int = 0": True, "if now >= state.lease_until:": True}
