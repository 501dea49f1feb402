"""What a search found, as the lines that `docs/consistency.md` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .search import Findings
    from .variants import Variant
    from .world import Scope

_SOURCES: Final = {
    "memory": "L1",
    "shared": "L2",
    "check": "CHECK",
    "flight": "flights",
    "render": "own renders",
    "stale within its grace": "stale within its grace",
    "page newer than its part": "pages newer than their part",
}


def scope_row(scope: Scope, findings: Findings) -> str:
    """One row: name, story, states, length of the longest shortest history, answers after an acknowledgement."""
    sights = ", ".join(f"{name} {findings.sights[key]:,}" for key, name in _SOURCES.items() if findings.sights[key])
    return f"| `{scope.name}` | {scope.story} | {findings.states:,} | {findings.depth} | {sights} |"


def variant_row(variant: Variant, findings: Findings) -> str:
    """One row: name, scope, steps of the shortest history, story."""
    steps = str(len(findings.counterexample)) if findings.counterexample else "none"
    return f"| `{variant.name}` | `{variant.scope}` | {steps} | {variant.story} |"


def history(findings: Findings) -> Iterator[str]:
    """The shortest history that breaks the promise, one step a line."""
    for number, step in enumerate(findings.counterexample, 1):
        yield f"{number:3}. {step}"


def surprises(scope: Scope, findings: Findings, variant: Variant | None = None) -> list[str]:
    """What is not as it should be; nothing for a search that proves what it is to prove."""
    steps, found = variant.steps if variant else 0, len(findings.counterexample)
    if found != steps:
        return [f"the shortest counterexample has {found or 'no'} steps instead of {steps or 'none'}"]
    if variant and variant.missing:
        seen = findings.sights[variant.missing]
        return [f"'{variant.missing}' was seen {seen} times and should never be"] if seen else []
    if steps:
        return []
    return [
        f"'{sight}' was never seen: the search proves nothing" for sight in scope.sights if not findings.sights[sight]
    ]
