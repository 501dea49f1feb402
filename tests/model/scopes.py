"""The bounds of each search, what may happen inside them, and what must be seen so that a search proves something.

These run with every test; `large_scopes` with `python -m tests.model --all`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .bounds import (
    ACROSS,
    ALONE,
    COMPOSED,
    EDIT,
    KEYS,
    LEVELS,
    ONE_RENDERS,
    PAIR,
    PART_EDIT,
    SOFT,
    SOFT_PART,
    UNRELATED,
)
from .large_scopes import LARGE
from .state import OTHER
from .world import Plan

SMALL: Final = (
    replace(ALONE, name="one-worker", story="one worker, one edit: the race between a render and a purge"),
    replace(
        ACROSS,
        name="no-merging",
        story="A renders, B reads L2, and no visitor shares another's render: a plain cache",
        merging=False,
        late_put=False,
        sights=("memory", "shared"),
    ),
    replace(PAIR, name="one-edit", story="two workers, one edit; hits raise the base of what they hit", raising=True),
    replace(
        ONE_RENDERS,
        name="two-edits",
        story="two edits whose purges may overlap; one worker renders, both follow",
        plans=(EDIT, EDIT),
        raising=True,
    ),
    replace(
        ONE_RENDERS,
        name="unrelated",
        story="a purge of an unrelated tag, then an edit; one worker renders, both follow",
        plans=(UNRELATED, EDIT),
        raising=True,
    ),
    replace(
        ALONE,
        name="catching-up",
        story="three purges, and one RENEW returns one record: MORE",
        plans=(UNRELATED, EDIT, EDIT),
        list_cap=1,
    ),
    replace(
        ALONE,
        name="own-purge",
        story="the purging worker applies its own purge before the log brings it",
        plans=(EDIT, Plan(OTHER, by=0)),
        raising=True,
    ),
    replace(ACROSS, name="shared", story="A renders, B reads L2, whose replies take their time", late_put=False),
    replace(
        LEVELS,
        name="shared-overtaken",
        story="one worker, two edits; replies of L2 and SETs are overtaken by purges",
        plans=(EDIT, EDIT),
        late_put=True,
        raising=True,
    ),
    replace(
        PAIR,
        name="emptied",
        story="Redis loses its control keys once, at any moment",
        faults=("flush",),
        max_faults=1,
    ),
    replace(
        ONE_RENDERS,
        name="failover",
        story="a replica that lags takes over once, or Redis restarts from an old file",
        faults=("failover",),
        max_faults=1,
    ),
    replace(
        ALONE,
        name="emptied-alone",
        story="Redis loses its control keys before, between or during two purges; one worker",
        plans=(EDIT, EDIT),
        faults=("flush",),
        max_faults=1,
    ),
    replace(
        ALONE,
        name="lost-key",
        story="one control key of five is lost; two purges, one worker",
        plans=(UNRELATED, EDIT),
        faults=KEYS,
        max_faults=1,
    ),
    replace(
        LEVELS,
        name="lost-key-newcomer",
        story="a worker has yet to join beside a warm L2, and one control key is lost",
        newcomers=(0,),
        warm=True,
        faults=KEYS,
        max_faults=1,
    ),
    replace(
        ONE_RENDERS,
        name="lifecycle",
        story="a worker is killed and starts again, or leaves",
        faults=("crash", "leave"),
        max_faults=1,
    ),
    replace(PAIR, name="fork", story="a warm worker forks a child", faults=("fork",), max_faults=1),
    replace(
        LEVELS,
        name="floor",
        story="the log is trimmed past a worker: GAP, then CHECK, which a purge may overtake",
        plans=(UNRELATED, EDIT),
        faults=("trim",),
        max_faults=1,
    ),
    replace(
        LEVELS,
        name="checked",
        story="the log is trimmed past a worker whose L2 is warm: GAP, then CHECK lets an old entry pass",
        plans=(EDIT, UNRELATED),
        faults=("trim",),
        max_faults=1,
        sights=("memory", "flight", "shared", "check"),
    ),
    replace(
        LEVELS,
        name="checked-soft",
        story="the same with a soft purge",
        plans=(SOFT,),
        faults=("trim",),
        max_faults=1,
        sights=("memory", "flight", "shared", "stale within its grace"),
    ),
    replace(
        LEVELS,
        name="pruned",
        story="records are dropped and the worker starts again beside a warm L2",
        faults=("prune", "prune-server", "crash"),
        max_faults=2,
    ),
    replace(
        ALONE,
        name="threads",
        story="request threads and the follower come between each other's steps",
        plans=(EDIT, EDIT),
        threads=True,
    ),
    replace(
        PAIR,
        name="soft",
        story="two workers, one soft purge with its grace",
        plans=(SOFT,),
        raising=True,
        sights=("memory", "flight", "stale within its grace"),
    ),
    replace(
        ALONE,
        name="soft-twice",
        story="two soft purges of one page, one worker",
        plans=(SOFT, SOFT),
        raising=True,
        sights=("memory", "flight", "stale within its grace"),
    ),
    replace(
        LEVELS,
        name="soft-newcomer",
        story="a worker has yet to join beside a warm L2; a soft purge, whose table may be lost",
        plans=(SOFT,),
        newcomers=(0,),
        warm=True,
        faults=("lose-soft",),
        max_faults=1,
        sights=("memory", "flight", "shared", "stale within its grace"),
    ),
    replace(COMPOSED, name="parts", story="a page with a part, an edit of each"),
    replace(
        COMPOSED,
        name="part-flights",
        story="the same, and parts are also rendered for others and shared",
        plans=(PART_EDIT, EDIT),
        part_flights=True,
    ),
    replace(
        COMPOSED,
        name="soft-parts",
        story="a page with a part, a soft purge of the part",
        plans=(SOFT_PART,),
        part_flights=True,
        sights=("memory", "flight", "render", "stale within its grace"),
    ),
    replace(
        ALONE,
        name="lagging-database",
        story="renders may read a database that lags, with `settle`; the worker may be new",
        lag=True,
        faults=("crash", "trim"),
        max_faults=1,
    ),
)

SCOPES: Final = {scope.name: scope for scope in (*SMALL, *LARGE)}
