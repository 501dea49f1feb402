"""The purges that scopes plan, and the usual shapes of a scope: how many workers, who renders, who reads L2."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .state import OTHER, PAGE
from .world import Plan, Scope

EDIT: Final = Plan(PAGE)
UNRELATED: Final = Plan(OTHER)
PART_EDIT: Final = Plan(OTHER)
SOFT: Final = Plan(PAGE, soft=True)
SOFT_PART: Final = Plan(OTHER, soft=True)
KEYS: Final = tuple(f"lose-{key}" for key in ("hard", "acks", "grants", "log", "low"))

PAIR: Final = Scope(name="", story="", plans=(EDIT,), sights=("memory", "flight"))
ONE_RENDERS: Final = replace(PAIR, renderers=(0,), readers=(0,))
ALONE: Final = replace(ONE_RENDERS, workers=1)
ACROSS: Final = replace(
    PAIR, renderers=(0,), readers=(1,), shared=True, late_put=True, sights=("memory", "flight", "shared")
)
LEVELS: Final = replace(ALONE, shared=True, sights=("memory", "flight", "shared"))
COMPOSED: Final = replace(
    ALONE, plans=(EDIT, PART_EDIT), parts=True, sights=("memory", "flight", "render", "page newer than its part")
)
