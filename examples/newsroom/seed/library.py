"""Python's standard library as reading matter: modules, classes and functions with their docstrings.

Source files are parsed and never run, so that reading them has no effect and gives the same text every time.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

SKIPPED = frozenset(
    [
        "antigravity",
        "config",
        "distutils",
        "dist-packages",
        "encodings",
        "ensurepip",
        "idlelib",
        "lib-dynload",
        "lib2to3",
        "macholib",
        "msilib",
        "nturl2path",
        "pydoc_data",
        "site-packages",
        "sitecustomize",
        "sre_compile",
        "sre_constants",
        "sre_parse",
        "test",
        "tests",
        "this",
        "turtledemo",
        "usercustomize",
        "__pycache__",
    ]
)
# Not `sys`: programs hang their own things into it, and two of them would read different articles.
BUILT_IN = ("atexit", "cmath", "errno", "gc", "itertools", "marshal", "math", "select", "time", "zlib")


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method with its signature."""

    name: str
    signature: str
    doc: str


@dataclass(frozen=True, slots=True)
class Class:
    """A public class and its public methods."""

    name: str
    bases: tuple[str, ...]
    doc: str
    methods: tuple[Function, ...]


@dataclass(frozen=True, slots=True)
class Module:
    """A module; `lines` is 0 where it is written in C."""

    name: str
    doc: str
    file: str
    lines: int
    functions: tuple[Function, ...] = ()
    classes: tuple[Class, ...] = ()
    constants: tuple[str, ...] = field(default=())


def modules() -> list[Module]:
    """The public modules of the running Python, by name."""
    found = {module.name: module for module in _written_in_python()}
    for name in BUILT_IN:
        found.setdefault(name, _built_in(__import__(name)))
    return [found[name] for name in sorted(found)]


def _written_in_python() -> Iterator[Module]:
    root = Path(sysconfig.get_path("stdlib"))
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if _is_public(name)]
        for path in (Path(folder, file) for file in files if file.endswith(".py")):
            parts = path.relative_to(root).parts
            if path.stem == "__init__" and parts[:-1]:
                yield _parsed(".".join(parts[:-1]), path, "/".join(parts))
            elif _is_public(path.stem):
                yield _parsed(".".join((*parts[:-1], path.stem)), path, "/".join(parts))


def _is_public(name: str) -> bool:
    return name not in SKIPPED and not name.startswith(("_", "config-"))


def _parsed(name: str, path: Path, file: str) -> Module:
    source = path.read_bytes()
    tree = ast.parse(source)
    public = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    constants = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z][A-Z0-9_]+", target.id)
    ]
    return Module(
        name,
        _doc(tree),
        f"Lib/{file}",
        source.count(b"\n"),
        tuple(_function(node) for node in public if not isinstance(node, ast.ClassDef)),
        tuple(_class(node) for node in public if isinstance(node, ast.ClassDef)),
        tuple(dict.fromkeys(constants)),
    )


def _class(node: ast.ClassDef) -> Class:
    methods = [
        _function(part)
        for part in node.body
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
        and not part.name.startswith("_")
        and not any(ast.unparse(mark).endswith((".setter", ".deleter")) for mark in part.decorator_list)
    ]
    return Class(node.name, tuple(ast.unparse(base) for base in node.bases), _doc(node), tuple(methods))


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    word = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return Function(node.name, f"{word}{node.name}({ast.unparse(node.args)})", _doc(node))


def _doc(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return ast.get_docstring(node) or ""


def _built_in(module: ModuleType) -> Module:
    public = [(name, getattr(module, name)) for name in sorted(vars(module)) if not name.startswith("_")]
    functions = [_documented(name, thing) for name, thing in public if inspect.isbuiltin(thing)]
    classes = [class_of(name, thing) for name, thing in public if inspect.isclass(thing)]
    doc = inspect.cleandoc(module.__doc__ or "")
    return Module(module.__name__, doc, f"Modules/{module.__name__}module.c", 0, tuple(functions), tuple(classes))


def class_of(name: str, thing: type) -> Class:
    """A class that has no source to parse, by looking at it."""
    methods = [
        _documented(method, member)
        for method, member in sorted(vars(thing).items())
        if not method.startswith("_") and inspect.isroutine(member)
    ]
    bases = tuple(base.__name__ for base in thing.__bases__ if base is not object)
    return Class(name, bases, inspect.cleandoc(thing.__doc__ or ""), tuple(methods))


def _documented(name: str, thing: object) -> Function:
    try:
        # A default that is an object prints its address, which is another one in each process.
        signature = re.sub(r"<[^>]* at 0x[0-9a-f]+>", "…", f"{name}{inspect.signature(thing)}")  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):  # the last from text signatures that name what is not there
        signature = f"{name}(…)"
    return Function(
        name,
        signature.replace("($self, ", "(").replace("(self, /, ", "(").replace("(self, /)", "()"),
        inspect.cleandoc(getattr(thing, "__doc__", None) or ""),
    )
