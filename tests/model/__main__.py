"""Search the model: `python -m tests.model [--all] [NAME ...]` prints what is found, and fails if it is not as expected."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .mistakes import BROKEN
from .report import history, scope_row, surprises, variant_row
from .scopes import SCOPES
from .search import search
from .variants import LIMITS, SOUND
from .world import World

if TYPE_CHECKING:
    from .variants import Variant
    from .world import Scope


def main(arguments: list[str]) -> int:
    """Run the searches asked for; the number of surprises."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scopes and variants; without any, the small ones")
    parser.add_argument("--all", action="store_true", help="large scopes too: some minutes and gigabytes")
    options = parser.parse_args(arguments)
    variants = {variant.name: variant for variant in (*BROKEN, *LIMITS, *SOUND)}
    unknown = [name for name in options.names if name not in SCOPES and name not in variants]
    if unknown:
        parser.error(f"no such scope or variant: {', '.join(unknown)}; there are {', '.join([*SCOPES, *variants])}")
    wrong = 0
    for scope in SCOPES.values():
        if scope.name in options.names or (not options.names and (options.all or not scope.large)):
            wrong += _search_scope(scope)
    for variant in variants.values():
        small = variant.steps or not SCOPES[variant.scope].large
        if variant.name in options.names or (not options.names and (options.all or small)):
            wrong += _search_variant(variant)
    return wrong


def _search_scope(scope: Scope) -> int:
    findings = search(World(scope))
    return _print([scope_row(scope, findings)], surprises(scope, findings))


def _search_variant(variant: Variant) -> int:
    findings = search(variant.world)
    return _print(
        [variant_row(variant, findings), *history(findings)], surprises(SCOPES[variant.scope], findings, variant)
    )


def _print(lines: list[str], wrong: list[str]) -> int:
    sys.stdout.write("\n".join([*lines, *(f"    UNEXPECTED: {line}" for line in wrong)]) + "\n")
    sys.stdout.flush()
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
