"""The code is laid out as `docs/architecture.md` says: layers, a pure core, small parts, documented names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cms_cache_mw"

LAYERS = ["core", "stores", "purge", "engine", "assembly", "rim", "package"]
"""From the bottom up; a module imports from its own layer and from those below."""

PLACES = {
    "core": "core",
    "stores": "stores",
    "purge": "purge",
    "config": "assembly",
    "options": "assembly",
    "assembly": "assembly",
    "cache": "assembly",
    "hold": "assembly",
    "metrics": "assembly",
    "asgi": "rim",
    "wsgi": "rim",
    "shells": "rim",
    "admin": "rim",
    "cli": "rim",
    "contrib": "rim",
    "__init__": "package",
}
"""The layer of each folder or module at the root; the modules not named here are the engine."""

IMPURE = {
    "asyncio", "concurrent", "contextvars", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "signal", "socket", "subprocess", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
"""What `core` does without: time, I/O, logs, environment, randomness, concurrency."""

FOREIGN = {
    "blake3": set(LAYERS),
    "msgspec": set(LAYERS),
    "http_sf": {"core"},
    "redis": {"stores", "purge"},
    "starlette": {"rim"},
    "click": {"rim"},
    "rich": {"rim"},
    "asgiref": {"rim"},
    "django": {"rim"},
    "jinja2": {"rim"},
    "wagtail": {"rim"},
    "prometheus_client": {"assembly"},
    "brotli": {"engine"},
    "zstandard": {"engine"},
}
"""The packages of others, and the layers that may know them."""

MODULE_LINES = 320
FUNCTION_LINES = 40

LARGE: dict[str, str] = {}
"""Modules (`folder/file.py`) and functions (`folder/file.py:name`) that may be longer, each with the reason."""

WORDS = re.compile(r"(^|_)(manager|handler|helper|helpers|util|utils|impl)($|_)|^(do|process)_", re.IGNORECASE)
"""Names that say nothing (style: names)."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def modules(folder: Path = PACKAGE) -> list[Path]:
    """Every module below a folder."""
    return sorted(folder.rglob("*.py"))


def name_of(path: Path) -> str:
    """A module's place in the repository, for messages."""
    return str(path.relative_to(ROOT))


def layer(parts: tuple[str, ...]) -> str:
    """The layer of a module of the package, named by its path below the package."""
    return PLACES.get(parts[0] if parts else "__init__", "engine")


def dotted(path: Path) -> str:
    """A module's import name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, *, types: bool = True) -> Iterator[str]:
    """The import name of everything a module imports, at its top, in functions and, with `types`, for types only."""
    typing_only = set() if types else {id(node) for block in _typing_blocks(path) for node in ast.walk(block)}
    for node in ast.walk(tree(path)):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                child = (ROOT / node.module.replace(".", "/") / alias.name).with_suffix(".py")
                yield f"{node.module}.{alias.name}" if child.exists() else node.module


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a module, the nested ones included."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def within(path: Path) -> tuple[str, ...]:
    """A module's path below the package, as parts without the suffix."""
    return path.relative_to(PACKAGE).with_suffix("").parts


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_down(path: Path) -> None:
    """A module imports nothing from a layer above its own."""
    own = layer(within(path))
    for name in imported(path):
        if name.partition(".")[0] == PACKAGE.name:
            other = layer(tuple(name.split(".")[1:]))
            assert LAYERS.index(other) <= LAYERS.index(own), f"{own} imports {name} from {other}, which is above it"


def test_imports_form_no_circle() -> None:
    """Who goes down one import at a time never comes back up; two neighbours may name each other in annotations."""
    graph = {
        dotted(path): {name for name in imported(path, types=False) if name.partition(".")[0] == PACKAGE.name}
        for path in modules()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_packages_of_others_stay_in_their_layers(path: Path) -> None:
    """Redis is known to `stores` and `purge`, a web framework to the rim, and nothing unpickles."""
    own = layer(within(path))
    for name in imported(path):
        top = name.partition(".")[0]
        known = top in sys.stdlib_module_names or top == PACKAGE.name or top in FOREIGN
        assert known, f"{name}: say in FOREIGN which layers may know it"
        assert own in FOREIGN.get(top, LAYERS), f"{own} must not know {name}"
        assert top not in {"pickle", "marshal", "shelve"}, f"{name} runs code that it reads"


@pytest.mark.parametrize("path", modules(PACKAGE / "core"), ids=name_of)
def test_core_is_pure(path: Path) -> None:
    """`core` neither waits nor looks at the world: `now` and values go in, values come out."""
    for name in imported(path):
        assert name.partition(".")[0] not in IMPURE, f"core must not import {name}"
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), "core waits"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"open", "print", "input"}, f"line {node.lineno}: core does no I/O"
            assert not called.endswith((".now", ".utcnow", ".today")), f"line {node.lineno}: the caller gives `now`"


@pytest.mark.parametrize(
    "path", [*modules(), *modules(ROOT / "tests" / "support"), *modules(ROOT / ".ci")], ids=name_of
)
def test_parts_are_small(path: Path) -> None:
    """A module that is longer holds two ideas, and so does a function."""
    lines = len(path.read_text().splitlines())
    assert lines <= MODULE_LINES or name_of(path) in LARGE, f"{lines} lines; the most is {MODULE_LINES}"
    for function in functions(path):
        lines = _length(function)
        allowed = lines <= FUNCTION_LINES or f"{name_of(path)}:{function.name}" in LARGE
        assert allowed, f"{function.name} has {lines} lines; the most is {FUNCTION_LINES}"


def test_exceptions_to_size_are_needed() -> None:
    """An exception that nothing needs any more is removed."""
    for name in LARGE:
        path, _, function = name.partition(":")
        if function:
            longest = max((_length(node) for node in functions(ROOT / path) if node.name == function), default=0)
            assert longest > FUNCTION_LINES, f"{name} is short: take it off the list"
        else:
            assert len((ROOT / path).read_text().splitlines()) > MODULE_LINES, f"{name} is short: take it off the list"


def _overload(node: ast.ClassDef | Function) -> bool:
    """Whether a definition only tells the type checker of one way to call what is documented further down."""
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_public_names_are_documented(path: Path) -> None:
    """Each module, public class and public function says in a first sentence what it is."""
    public: list[ast.Module | ast.ClassDef | Function] = [tree(path)]
    scopes: list[ast.Module | ast.ClassDef] = [tree(path)]
    scopes += [node for node in tree(path).body if isinstance(node, ast.ClassDef)]
    for scope in scopes:
        named = [node for node in scope.body if isinstance(node, ast.ClassDef | Function)]
        public += [node for node in named if not node.name.startswith("_") and not _overload(node)]
    for node in public:
        text = ast.get_docstring(node) or ""
        name = getattr(node, "name", "the module")
        assert re.search(r"[.?!:](\s|$)", text), f"{name} has no docstring with a sentence in it"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_names_say_something(path: Path) -> None:
    """No module, class or function is called after what every one of them is."""
    defined = [node.name for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef | Function)]
    words = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name) for name in [path.stem, *defined]]
    assert [word for word in words if WORDS.search(word)] == []


def test_package_is_typed() -> None:
    """Type checkers are told to read the annotations (PEP 561)."""
    assert (PACKAGE / "py.typed").exists()


def test_import_is_light() -> None:
    """Importing the package loads neither Redis's client nor a web framework: both take longer than all of ours."""
    program = "import sys, cms_cache_mw; print([name for name in ('redis', 'starlette') if name in sys.modules])"
    heavy = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=30, cwd=ROOT
    ).stdout
    assert heavy.strip() == "[]"


def _typing_blocks(path: Path) -> list[ast.If]:
    blocks = (node for node in ast.walk(tree(path)) if isinstance(node, ast.If))
    return [node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING"]


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1
