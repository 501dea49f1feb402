"""Whether the tests notice a mutant, a fork each, from one process that has collected all tests and knows what each of them runs.

Most mutants change a function's body: the fork puts the new code into the function, wherever that is known by now, and runs the tests
that run the function, those of the line first, cheap ones first. No other test could notice. What is evaluated by an import, and what
imports and collection run, is imported anew, with all tests; those of the module first.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
import time
from collections import Counter
from functools import _lru_cache_wrapper
from itertools import chain, zip_longest
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Final

import pytest

from tests.mutation.mutants import MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from coverage import Coverage

    from tests.mutation.mutants import Mutant

FRESH: Final = ("cms_cache_mw.core", "cms_cache_mw.purge", "tests.core", "tests.purge")
"""Packages that know what is mutated, or know who does; conftests outside of them are not about it."""
PROFILE: Final = "mutants"
EXAMPLES: Final = 20
"""Examples of a property, a fifth of what it is tested with elsewhere."""
CPU_SECONDS: Final = 60
WALL_SECONDS: Final = 900
MEMORY_BYTES: Final = 2 << 30
"""What a mutant may use. One that wants more counts as noticed."""

OWN: Final = {
    "answer": ["answer", "policy"],
    "cacheability": ["cacheability", "tags"],
    "conditional": ["conditional", "policy", "answer"],
    "entry": ["entry", "codec", "policy"],
    "freshness": ["policy", "profiles"],
    "invalidation": ["policy"],
    "message": ["message", "policy", "keys"],
    "rules": ["policy", "profiles"],
    "storing": ["policy", "profiles"],
    "policy": ["policy", "profiles"],
}
"""The tests to ask first about what an import evaluates, where they are not in the file of the module's name alone."""
VALUES: Final = "tests/core/test_value.py"
"""The test to ask about every class."""


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module as its mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """The mutant's, under the name of what it was."""
        if name != self._mutant.imported:
            return None
        return importlib.util.spec_from_file_location(name, MODULES[self._mutant.module], loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutated code."""
        exec(self._mutant.code, module.__dict__)


class Trials:
    """A plugin of pytest that tries mutants in place of running the tests."""

    def __init__(
        self, mutants: Iterable[Mutant], coverage: Coverage, jobs: int, tell: Callable[[Mutant, bool], None]
    ) -> None:
        self._mutants, self._coverage, self._jobs, self._tell = mutants, coverage, jobs, tell
        self._cost: dict[str, float] = {}
        """Processor seconds of each test."""
        self._running: dict[str, dict[int, list[str]]] = {}
        """The tests that run a line of a module."""
        self._deadly: Counter[str] = Counter()
        """How many mutants a test has noticed, as children tell on a pipe."""
        reading, self._failed = os.pipe()
        os.set_blocking(reading, False)
        self._failures = os.fdopen(reading, "rb", buffering=0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Let properties show no more than that they fail, with the same examples for every mutant."""
        from hypothesis import Phase, settings  # pytest wants to see it first

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile(
            PROFILE, max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=phases
        )

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what needs a server, which is not about values."""
        items[:] = [item for item in items if "server_kind" not in getattr(item, "fixturenames", ())]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn what each test runs, then try each mutant."""
        self._learn(session.items)
        if session.testsfailed:
            return True
        self._functions = _functions()
        self._memos = _memos()
        gc.collect()
        gc.freeze()
        for mutant, noticed in self._tried(session):
            self._tell(mutant, noticed)
        return True

    def _learn(self, items: Sequence[pytest.Item]) -> None:
        memos = _memos()
        for item, following in _with_next(items):
            for memo in memos:
                memo.cache_clear()
            self._coverage.switch_context(item.nodeid)
            began = time.process_time()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            self._cost[item.nodeid] = time.process_time() - began
        self._coverage.stop()
        measured = self._coverage.get_data()
        self._running = {name: measured.contexts_by_lineno(str(path)) for name, path in MODULES.items()}

    def _tried(self, session: pytest.Session) -> Iterator[tuple[Mutant, bool]]:
        children: dict[int, Mutant] = {}
        for mutant in chain(self._mutants, [None] * self._jobs):
            if len(children) >= self._jobs or (children and mutant is None):
                pid, status = os.wait()
                self._deadly.update((self._failures.read() or b"").decode().splitlines())
                yield children.pop(pid), status != 0
            if mutant is not None:
                children[self._forked(session, mutant)] = mutant

    def _forked(self, session: pytest.Session, mutant: Mutant) -> int:
        """The process that tries a mutant and ends with status 0 if no test fails."""
        pid = os.fork()
        if not pid:
            status = 1
            try:
                _confine()
                status = int(self._noticed(session, mutant))
            finally:
                os._exit(status)
        return pid

    def _noticed(self, session: pytest.Session, mutant: Mutant) -> bool:
        if mutant.within is None:
            return self._fails_anew(session, mutant)
        lines = self._running[mutant.module]
        body = {test for line in range(mutant.within.first, mutant.within.last + 1) for test in lines.get(line, ())}
        swapped = self._swap(mutant)
        if swapped and self._fails(
            session, [item for item in session.items if item.nodeid in body], lines.get(mutant.line)
        ):
            return True
        return ("" in body or not swapped) and self._fails_anew(session, mutant)

    def _fails(self, session: pytest.Session, items: Iterable[pytest.Item], near: Iterable[str] | None = ()) -> bool:
        """Whether any of the tests fails, by the first that does: the near ones, those that often do, and cheap ones first."""
        close, cost, deadly = set(near or ()), self._cost, self._deadly
        ordered = sorted(
            items, key=lambda item: (item.nodeid not in close, -deadly[item.nodeid], cost.get(item.nodeid, 0))
        )
        for item, following in _with_next(ordered):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                os.write(self._failed, f"{item.nodeid}\n".encode())
                return True
        return False

    def _swap(self, mutant: Mutant) -> bool:
        """Put a mutant's code into the function that it changes; whether there is such a function."""
        assert mutant.within
        code = next(
            code
            for code in _codes(mutant.code)
            if code.co_firstlineno == mutant.within.line and code.co_name != "<lambda>"
        )
        known = self._functions.get((mutant.imported, code.co_qualname, code.co_firstlineno), [])
        for function in known:
            function.__code__ = code
        for memo in self._memos:
            memo.cache_clear()
        return bool(known)

    def _fails_anew(self, session: pytest.Session, mutant: Mutant) -> bool:
        for name in [name for name in sys.modules if name.startswith(FRESH) and not name.endswith("conftest")]:
            del sys.modules[name]
        sys.meta_path.insert(0, Mutated(mutant))
        asked: set[str] = set()
        every = session.config.args
        tests = MODULES[mutant.module].parent.name
        own = [f"tests/{tests}/test_{name}.py" for name in OWN.get(mutant.module, [mutant.module])] + [VALUES]
        for paths in ([path for path in own if os.path.exists(path)], every):  # noqa: PTH110
            _announce_conftests(session.config.pluginmanager)
            items = [item for item in session.perform_collect(paths) if item.nodeid not in asked] if paths else []
            if session.testsfailed or self._fails(session, items):
                return True
            asked |= {item.nodeid for item in items}
        return False


def _announce_conftests(known: pytest.PytestPluginManager) -> None:
    """Have their fixtures found once more by what is collected anew."""
    named = ((known.get_name(plugin) or "", plugin) for plugin in known.get_plugins())
    for name, plugin in [(name, plugin) for name, plugin in named if name.endswith("conftest.py")]:
        known.unregister(plugin)
        known.register(plugin, name)


def _with_next(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip_longest(items, items[1:])


def _functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """All functions that there are, by module, name and first line."""
    found: dict[tuple[str, str, int], list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            code = each.__code__
            found.setdefault((each.__module__, code.co_qualname, code.co_firstlineno), []).append(each)
    return found


def _memos() -> list[_lru_cache_wrapper[object]]:
    """What remembers results of ours."""
    memos = (each for each in gc.get_objects() if isinstance(each, _lru_cache_wrapper))
    return [memo for memo in memos if str(memo.__module__).startswith("cms_cache_mw")]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _confine() -> None:
    """Keep a mutant from talking, from running for ever and from eating the machine."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WALL_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
