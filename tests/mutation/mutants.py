"""What is broken: each comparison, operator, condition, constant and returned value of the pure modules, one at a time."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    Change: TypeAlias = Callable[[ast.AST], str]
    """Changes a node in place and says how."""

PACKAGE: Final = Path(__file__).parents[2] / "cms_cache_mw"
VALUES: Final = ("clock", "lease", "ledger", "registry", "ticket", "wire")
"""The part of `purge/` that decides and does not do."""

MODULES: Final = {
    path.stem: path
    for path in [*sorted((PACKAGE / "core").glob("[!_]*.py")), *(PACKAGE / "purge" / f"{name}.py" for name in VALUES)]
}
"""The pure modules, by name."""

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


class Span(NamedTuple):
    """A function as Python knows it, by the line it begins with, and the lines of its body."""

    line: int
    first: int
    last: int


@dataclass(frozen=True)
class Mutant:
    """A module with one thing changed."""

    module: str
    line: int
    source: str
    change: str
    code: CodeType
    within: Span | None
    """The outermost function whose body it is in; none for what is evaluated by the import."""

    @property
    def name(self) -> str:
        """How survivors are written down: without the line's number, which moves."""
        return f"{self.module}: `{self.source}` {self.change}"

    @property
    def imported(self) -> str:
        """The module's name in Python."""
        return f"cms_cache_mw.{MODULES[self.module].parent.name}.{self.module}"


def mutants(module: str) -> Iterator[Mutant]:
    """All mutants of a module."""
    text = MODULES[module].read_text()
    tree = ast.parse(text)
    _strip(tree)
    within = dict(_bodies(tree))
    for node in _evaluated(tree):
        unchanged = dict(vars(node))
        for change in _changes(node):
            said = change(node)
            code = compile(ast.fix_missing_locations(tree), str(MODULES[module]), "exec")
            vars(node).update(unchanged)
            line = getattr(node, "lineno", 1)
            yield Mutant(module, line, text.splitlines()[line - 1].strip(), said, code, within.get(node))


def _evaluated(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those of annotations and names for types, which nothing evaluates, or a wire's decoder alone."""
    nodes = list(ast.walk(tree))
    noted = {part for node in nodes if isinstance(node, ast.AnnAssign) for part in ast.walk(_noted(node))}
    return (node for node in nodes if node not in noted)


def _noted(node: ast.AnnAssign) -> ast.AST:
    match node.annotation:
        case ast.Name(id="TypeAlias"):
            return node
    return node.annotation


def _strip(tree: ast.Module) -> None:
    """Take out what no test could notice: docstrings, annotations, imports for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [each for each in node.body if not _unnoticeable(each)] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    ast.fix_missing_locations(tree)


def _unnoticeable(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _bodies(tree: ast.AST) -> Iterator[tuple[ast.AST, Span]]:
    """Each node in the body of a function, with the outermost such function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            span = Span(line, node.body[0].lineno, node.end_lineno or node.lineno)
            yield from ((each, span) for statement in node.body for each in ast.walk(statement))
        else:
            yield from _bodies(node)


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
        case ast.Return(value=ast.Constant(value=None | False)):
            return
        case ast.Return(value=ast.expr()):
            yield _nothing


def _swap_in(node: ast.AST, place: int) -> str:
    assert isinstance(node, ast.Compare)
    old = type(node.ops[place])
    node.ops = [*node.ops[:place], SWAPPED[old](), *node.ops[place + 1 :]]  # type: ignore[list-item]
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
