"""Every branch of policy and validity has a reason of its own: read from the code, so that no new branch is forgotten."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from cms_cache_mw.core.policy import GUARDS
from cms_cache_mw.core.rules import CMS, RFC
from cms_cache_mw.core.status import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE: Final = Path(__file__).resolve().parents[1] / "cms_cache_mw"

POLICY: Final = ("core/policy.py", "core/storing.py", "core/keys.py")
VALIDITY: Final = ("purge/clock.py", "levels.py")
DECIDING: Final = (
    *POLICY,
    *VALIDITY,
    "depot.py",
    "recorder.py",
    "engine.py",
    "visitor.py",
    "switching/gate.py",
    "tally.py",
)
"""Where it is decided what becomes of a request, of an answer, and of an entry."""

WITH_REASON: Final = {"Serve": 1, "Revalidate": 1, "Fetch": 0, "Bypass": 0, "Refuse": 0, "Fallback": 1, "Relay": 0} | {
    "Found": 1,
    "Refused": 0,
}
"""Decisions, and where in them the reason stands."""
OWN_REASON: Final = {"Store": "STORED", "Freshen": "REVALIDATED"}
"""Decisions that are one branch each, and say so by themselves."""

SAME: Final[dict[str, tuple[dict[str, int], str]]] = {
    "AUTHORIZATION": ({"GUARDS": 3}, "fields that say who is asking, whatever their name"),
    "PRECONDITION": ({"GUARDS": 2}, "two conditions that only the application can evaluate"),
    "OVERRIDE": ({"GUARDS": 3}, "three spellings of one field"),
    "METHOD": ({"bypass": 1, "_refusal": 1}, "asked of the request, and again of its answer"),
    "OFF": ({"bypass": 1, "lookup": 1}, "switched off by a field that a deployment names, and by the gate"),
    "HEAD": ({"_without_entry": 1, "_refusal": 1, "_WHOLE": 1}, "asked of the request, and again of its answer"),
    "RANGE": ({"_without_entry": 1, "_WHOLE": 1}, "the second is a set that is compared with"),
    "TARGET": ({"bypass": 1, "ask": 1}, "asked with and without a key"),
    "REQUEST": ({"_unfit": 2}, "no-cache, and max-age or min-fresh: the request did not accept it"),
    "STALE": ({"_stale": 2, "_refresher": 1, "note_served": 1}, "stale as response or request allow, its refresh, its counter"),
    "HIT": ({"before": 1, "held": 1, "fetched": 1, "delivered": 1, "answers": 1, "note_served": 1}, "fresh at either level"),
    "URI_MISS": ({"before": 1, "held": 1, "_looked_up": 1, "delivered": 3}, "nothing under the key, and who shared that miss"),
    "VARY_MISS": ({"held": 1, "fetched": 1}, "at either level"),
    "SOFT_PURGED": ({"_softly": 1, "USABLE": 1}, "the second is a set that is compared with"),
    "PURGED": ({"check": 1, "_softly": 1}, "purged hard, and softly with its grace over"),
    "UNSURE": ({"check": 1, "_judged": 1}, "no lease: asked of an entry, and where there is none"),
    "REVALIDATED": ({"after": 1, "Freshen": 1}, "confirmed, and stored anew or, for a visitor of his own, not"),
    "STATUS": ({"_status_refusal": 3}, "interim, not understood, not among those that are stored: the status is why"),
    "NO_STORE": ({"_directive_refusal": 2}, "where it can be parsed and where it cannot"),
    "PRIVATE": ({"_directive_refusal": 2}, "where it can be parsed and where it cannot"),
    "NO_CACHE": ({"_directive_refusal": 2, "_useful": 1}, "the same, and where nothing could validate it"),
    "NO_LIFETIME": ({"_useful": 2}, "none, and one that its age has used up"),
    "TOO_LARGE": ({"_refusal": 1, "_copy": 1}, "as announced, and as it turned out"),
    "INCOMPLETE": ({"close": 1, "_finish": 1}, "no end, and fewer bytes than announced"),
    "STORED": ({"Store": 1, "_finish": 1}, "decided, and done"),
    "FAULT": ({"step": 1, "begin": 2, "write": 1, "fault": 1}, "wherever the cache itself fails, and its counter"),
}  # fmt: skip
"""Reasons that several branches give: which, how often each, and what they have in common. A branch more has to be thought about."""


@cache
def tree(name: str) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse((PACKAGE / name).read_text())


def is_reason(node: ast.AST) -> bool:
    """Whether it is a member by name."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Reason"
        and node.attr.isupper()
    )


def branches(node: ast.AST, where: str = "") -> Iterator[tuple[str, str]]:
    """Each place in which a reason is given rather than compared with, by the function, the class or the table it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Compare | ast.pattern):
            continue
        if is_reason(child):
            assert isinstance(child, ast.Attribute)
            yield child.attr, where
        name = where
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = child.name
        elif not where and isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            name = child.target.id
        yield from branches(child, name)


def test_no_two_branches_share_a_reason() -> None:
    """Two branches with one reason could not be told apart; where they mean the same that is said here, branch by branch."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name in DECIDING:
        for reason, where in branches(tree(name)):
            found[reason][where] += 1
    shared = {reason: dict(places) for reason, places in found.items() if sum(places.values()) > 1}
    assert shared == {reason: places for reason, (places, _) in SAME.items()}
    assert all(why for _, why in SAME.values())


def test_every_reason_is_given() -> None:
    """No reason is left over that no branch gives."""
    given = {
        reason
        for path in PACKAGE.rglob("*.py")
        if path.name not in {"status.py", "advice.py", "measures.py"}
        for reason, _ in branches(ast.parse(path.read_text()))
    }
    assert {reason.name for reason in Reason} == given


def test_reasons_are_told_apart() -> None:
    """Each has a word and a meaning of its own: no member is another's alias."""
    assert len(Reason.__members__) == len(list(Reason)) == len({reason.meaning for reason in Reason})
    assert all(reason.meaning for reason in Reason)


@pytest.mark.parametrize("rules", [CMS, RFC], ids=["cms", "rfc"])
def test_every_guarded_field_has_a_reason(rules: object) -> None:
    """What a profile bypasses for is in the table of reasons."""
    assert rules.bypass <= GUARDS.keys()  # type: ignore[attr-defined]


class Flow:
    """What the expressions of a module can be: a function's `return` is followed to where its reason comes from."""

    def __init__(self, name: str) -> None:
        self.functions = {
            node.name: node for node in ast.walk(tree(name)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.tables = {
            node.target.id
            for node in tree(name).body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
            if any(is_reason(part) for part in ast.walk(node.value))
        }

    @property
    def deciding(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """The functions that give reasons, or decisions that carry one."""
        words = {"Reason", "Before", "After", *WITH_REASON, *OWN_REASON}
        for function in self.functions.values():
            if function.returns and words & _names(function.returns):
                yield function

    def unreasoned(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
        """The returned expressions and the decisions of a function that carry no reason."""
        returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        made = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _called(node) in WITH_REASON]
        return [
            f"{function.name}: {ast.unparse(value) if value else 'return'}"
            for value in (*returned, *made)
            if not self._reasoned(value, function, frozenset())
        ]

    def _reasoned(
        self, value: ast.expr | None, function: ast.FunctionDef | ast.AsyncFunctionDef, seen: frozenset[str]
    ) -> bool:
        parts = _parts(value)
        if parts:
            return all(self._reasoned(part, function, seen) for part in parts)
        match value:
            case ast.Constant(value=None):
                # Where nothing stands in the way, which the annotation has to allow.
                return bool(function.returns and "None" in ast.unparse(function.returns))
            case ast.Attribute(attr=name):
                # A member, or that of a decision that was made, with a reason.
                return is_reason(value) or name == "reason"
            case ast.Call():
                return self._called(value, function, seen)
            case ast.Name(id=name):
                return name in seen or self._known(name, function, seen | {name})
        return False

    def _called(self, call: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef, seen: frozenset[str]) -> bool:
        name = _called(call)
        if name == "get" and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            # Of a table of reasons, with one for what is not in it.
            return call.func.value.id in self.tables and len(call.args) > 1 and is_reason(call.args[1])
        if name in WITH_REASON:
            place = WITH_REASON[name]
            given = call.args[place] if len(call.args) > place else None
            given = next((word.value for word in call.keywords if word.arg == "reason"), given)
            return self._reasoned(given, function, seen)
        if name in OWN_REASON or name in GIVING or name in PASSED_ON.get(function.name, ()):
            return True
        return name in self.functions and self.functions[name] in list(self.deciding)

    def _known(self, name: str, function: ast.FunctionDef | ast.AsyncFunctionDef, seen: frozenset[str]) -> bool:
        """Whether a parameter is a reason by its type, or whatever a local name is given is one."""
        arguments = (*function.args.args, *function.args.kwonlyargs)
        if any(one.arg == name and one.annotation and "Reason" in _names(one.annotation) for one in arguments):
            return True
        given: list[ast.expr | None] = [
            node.value
            for node in ast.walk(function)
            if (isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets))
            or (
                isinstance(node, ast.NamedExpr | ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and node.target.id == name
            )
        ]
        given += _matched(function, name)
        if any(
            isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == name
            for node in ast.walk(function)
        ):
            # It is looked at before it is used, so that it may be nothing before.
            given = [part for value in given for part in _parts(value) or [value] if not _nothing(part)]
        passed = {_called(value) for value in given if isinstance(value, ast.Call)}
        if passed and passed <= PASSED_ON.get(function.name, frozenset()):
            return True
        return bool(given) and all(self._reasoned(value, function, seen) for value in given)


GIVING: Final = frozenset({"freshen", "settle", "bypass", "_softly", "check", "checked", "missed", "before", "read"})
"""Functions of other modules that give a reason, or a decision with one."""
PASSED_ON: Final = {
    "_useful": frozenset({"freshness", "replace"}),
    "settle": frozenset({"_useful"}),
    "ask": frozenset({"Asked"}),
}
"""What a function may return that is no reason, since it is what there may be a reason to lack: freshness, a key."""


def _parts(value: ast.expr | None) -> Sequence[ast.expr | None]:
    """What an expression is one of."""
    match value:
        case ast.IfExp():
            return [value.body, value.orelse]
        case ast.BoolOp():
            return value.values
        case ast.Await():
            return [value.value]
    return []


def _nothing(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _called(call: ast.Call) -> str:
    return (
        call.func.id
        if isinstance(call.func, ast.Name)
        else call.func.attr
        if isinstance(call.func, ast.Attribute)
        else ""
    )


def _names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _matched(function: ast.AST, name: str) -> list[ast.expr]:
    """What a `case Decision(reason=name)` takes out of a decision."""
    return [
        ast.Attribute(ast.Name("decision"), "reason")
        for node in ast.walk(function)
        if isinstance(node, ast.MatchClass)
        for word, pattern in zip(node.kwd_attrs, node.kwd_patterns, strict=True)
        if word == "reason" and isinstance(pattern, ast.MatchAs) and pattern.name == name
    ]


@pytest.mark.parametrize("name", [*POLICY, *VALIDITY])
def test_every_branch_has_a_reason(name: str) -> None:
    """Whatever policy and validity return, and each decision they make, is followed to a member of `Reason`."""
    flow = Flow(name)
    functions = list(flow.deciding)
    assert functions
    assert not [line for function in functions for line in flow.unreasoned(function)]


def test_a_branch_without_a_reason_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: bare returns, reasons that are no members, and decisions without one are seen."""
    for wrong in (
        "def f(x) -> Reason | None:\n    if x:\n        return\n    return Reason.HIT",
        "def f(x) -> Reason:\n    return None",
        "def f(x) -> Reason:\n    return 'hit'",
        "def f(x) -> Fetch:\n    return Fetch(x)",
        "def f(x) -> Fetch | Serve:\n    return Serve(x)",
        "def f(x) -> Reason:\n    why = Reason.HIT\n    why = x()\n    return why",
        "def f(x) -> Before:\n    y = Relay(str(x))\n    return Fetch(Reason.HIT)",
    ):
        monkeypatch.setattr("tests.test_reasons.tree", lambda _, text=wrong: ast.parse(text))
        flow = Flow("")
        assert flow.unreasoned(next(flow.deciding)), wrong
