"""Breaks `core/` on purpose, in one place at a time, and sees whether the tests notice: `make mutate`.

Each mutant runs in a process of its own, first against the tests of its module, then, if it survives, against all of `tests/core`.
Survivors are listed, except those that `SURVIVORS.md` explains; any other ends the run with an error. Minutes for a module, hours for
all: `make mutate ARGS="vary ranges"`; `--every 10` takes each tenth mutant.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import io
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Change: TypeAlias = Callable[[ast.AST], str]
    """Changes a node in place and says how."""

TESTS: Final = Path(__file__).parent
CORE: Final = TESTS.parents[1] / "cms_cache_mw" / "core"
SURVIVORS: Final = TESTS / "SURVIVORS.md"
OPTIONS: Final = ("-p", "no:randomly", "-p", "no:cacheprovider")
PATIENCE: Final = 120
"""Seconds after which a mutant that still runs counts as noticed."""

OWN: Final = {
    "answer": ["answer", "policy"],
    "cacheability": ["tags"],
    "conditional": ["policy", "answer"],
    "entry": ["codec", "policy"],
    "freshness": ["policy", "profiles"],
    "invalidation": ["policy"],
    "message": ["policy", "keys"],
    "rules": ["policy", "profiles"],
    "storing": ["policy", "profiles"],
    "policy": ["policy", "profiles"],
}
"""The tests to ask first, where they are not in the file of the module's name."""

SWAPPED: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """A module with one thing changed."""

    module: str
    line: int
    source: str
    change: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """How survivors are written down: without the line's number, which moves."""
        return f"{self.module}: `{self.source}` {self.change}"


def mutants(module: str) -> Iterator[Mutant]:
    """All mutants of a module of `core/`."""
    text = (CORE / f"{module}.py").read_text()
    tree = ast.parse(text)
    _strip(tree)
    for place, node in enumerate(ast.walk(tree)):
        for number, _ in enumerate(_changes(node)):
            mutated = copy.deepcopy(tree)
            target = next(other for at, other in enumerate(ast.walk(mutated)) if at == place)
            change = list(_changes(target))[number](target)
            line = getattr(node, "lineno", 1)
            yield Mutant(module, line, text.splitlines()[line - 1].strip(), change, ast.fix_missing_locations(mutated))


def _strip(tree: ast.Module) -> None:
    """Take out what no test could notice: docstrings, annotations, imports for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [each for each in node.body if not _unnoticeable(each)] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in [*node.args.args, *node.args.kwonlyargs]:
                argument.annotation = None


def _unnoticeable(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                if type(operator) in SWAPPED:
                    yield partial(_swap_in, place=place)
        case ast.BoolOp() | ast.BinOp() if type(node.op) in SWAPPED:
            yield _swap
        case ast.If() | ast.IfExp() | ast.While():
            yield _negate
        case ast.Constant(value=bool() | int() | bytes() | str()):
            yield _constant
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield _nothing


def _swap_in(node: ast.AST, place: int) -> str:
    assert isinstance(node, ast.Compare)
    old = type(node.ops[place])
    node.ops[place] = SWAPPED[old]()  # type: ignore[call-overload]
    return f"{old.__name__} -> {SWAPPED[old].__name__}"


def _swap(node: ast.AST) -> str:
    assert isinstance(node, ast.BoolOp | ast.BinOp)
    old = type(node.op)
    node.op = SWAPPED[old]()  # type: ignore[assignment]
    return f"{old.__name__} -> {SWAPPED[old].__name__}"


def _negate(node: ast.AST) -> str:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return "condition negated"


def _constant(node: ast.AST) -> str:
    assert isinstance(node, ast.Constant)
    old = node.value
    match old:
        case bool():
            node.value = not old
        case int():
            node.value = old + 1
        case bytes():
            node.value = old + b"~"
        case str():
            node.value = old + "~"
    return f"{old!r} -> {node.value!r}"


def _nothing(node: ast.AST) -> str:
    assert isinstance(node, ast.Return)
    node.value = ast.Constant(None)
    return "returns None"


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module as its mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant, self._name = mutant, f"cms_cache_mw.core.{mutant.module}"

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """The mutant's, under the name of what it was."""
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutated code."""
        exec(compile(self._mutant.tree, f"<{self._mutant.module}>", "exec"), module.__dict__)


def warm_up() -> None:
    """Import what tests need before processes are forked, all but what is mutated and what knows it."""
    silent = io.StringIO()
    with redirect_stdout(silent), redirect_stderr(silent):
        pytest.main(["--collect-only", "-q", *OPTIONS, str(TESTS)])
    for name in [name for name in sys.modules if name.partition(".")[0] in {"cms_cache_mw", "tests", "conftest"}]:
        del sys.modules[name]


def survives(mutant: Mutant, files: Sequence[Path]) -> bool:
    """Whether the tests pass all the same."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setsid()
            signal.alarm(PATIENCE)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            sys.meta_path.insert(0, Mutated(mutant))
            code = int(pytest.main(["-x", "-q", *OPTIONS, *map(str, files)]))
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def noticed(mutant: Mutant) -> bool:
    """Whether any test of `core/` fails."""
    own = [TESTS / f"test_{name}.py" for name in OWN.get(mutant.module, [mutant.module])]
    return not (survives(mutant, [file for file in own if file.exists()] or [TESTS]) and survives(mutant, [TESTS]))


def main() -> int:
    """0 where every mutant is noticed or its survival explained."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="modules of core/, by default all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take only each Nth mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    modules = asked.modules or sorted(path.stem for path in CORE.glob("*.py") if path.stem != "__init__")
    chosen = [mutant for module in modules for mutant in mutants(module)][:: asked.every]
    explained = set(re.findall(r"^- (.*)$", SURVIVORS.read_text(), re.MULTILINE)) if SURVIVORS.exists() else set()
    warm_up()
    alive: list[Mutant] = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        for mutant, found in zip(chosen, pool.map(noticed, chosen), strict=True):
            if not found:
                alive.append(mutant)
                if mutant.name not in explained:
                    sys.stdout.write(f"- {mutant.name}\n")
                    sys.stdout.flush()
    unexplained = sum(mutant.name not in explained for mutant in alive)
    sys.stdout.write(f"{len(chosen)} mutants, {len(alive)} survived, {unexplained} of them unexplained\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
