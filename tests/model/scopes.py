"""The bounds of each search, what may happen inside them, and what must be seen so that a search proves something.

Small scopes run with every test; those marked `large` with `python -m tests.model --all`.
"""

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

_PAIR: Final = Scope(name="", story="", plans=(EDIT,), sights=("memory", "flight"))
_ONE_RENDERS: Final = replace(_PAIR, renderers=(0,), readers=(0,))
_ALONE: Final = replace(_ONE_RENDERS, workers=1)
_ACROSS: Final = replace(
    _PAIR, renderers=(0,), readers=(1,), shared=True, late_put=True, sights=("memory", "flight", "shared")
)
_LEVELS: Final = replace(_ALONE, shared=True, sights=("memory", "flight", "shared"))
_COMPOSED: Final = replace(
    _ALONE, plans=(EDIT, PART_EDIT), parts=True, sights=("memory", "flight", "render", "page newer than its part")
)

_SCOPES: Final = (
    replace(_ALONE, name="one-worker", story="one worker, one edit: the race between a render and a purge"),
    replace(
        _ACROSS,
        name="no-merging",
        story="A renders, B reads L2, and no visitor shares another's render: a plain cache",
        merging=False,
        late_put=False,
        sights=("memory", "shared"),
    ),
    replace(_PAIR, name="one-edit", story="two workers, one edit; hits raise the base of what they hit", raising=True),
    replace(
        _ONE_RENDERS,
        name="two-edits",
        story="two edits whose purges may overlap; one worker renders, both follow",
        plans=(EDIT, EDIT),
        raising=True,
    ),
    replace(
        _ONE_RENDERS,
        name="unrelated",
        story="a purge of an unrelated tag, then an edit; one worker renders, both follow",
        plans=(UNRELATED, EDIT),
        raising=True,
    ),
    replace(
        _ALONE,
        name="catching-up",
        story="three purges, and one RENEW returns one record: MORE",
        plans=(UNRELATED, EDIT, EDIT),
        list_cap=1,
    ),
    replace(
        _ALONE,
        name="own-purge",
        story="the purging worker applies its own purge before the log brings it",
        plans=(EDIT, Plan(OTHER, by=0)),
        raising=True,
    ),
    replace(_ACROSS, name="shared", story="A renders, B reads L2; replies and SETs take their time"),
    replace(
        _LEVELS,
        name="shared-overtaken",
        story="one worker, two edits; replies of L2 and SETs are overtaken by purges",
        plans=(EDIT, EDIT),
        late_put=True,
        raising=True,
    ),
    replace(
        _PAIR,
        name="emptied",
        story="Redis loses its control keys once, at any moment",
        faults=("flush",),
        max_faults=1,
    ),
    replace(
        _ONE_RENDERS,
        name="failover",
        story="a replica that lags takes over once, or Redis restarts from an old file",
        faults=("failover",),
        max_faults=1,
    ),
    replace(
        _LEVELS,
        name="failover-shared",
        story="the same with L2, an edit and an unrelated purge, one worker",
        plans=(EDIT, UNRELATED),
        faults=("failover",),
        max_faults=1,
        large=True,
    ),
    replace(
        _LEVELS,
        name="failover-check",
        story="a lossy failover and a trimmed log: CHECK asks a server that may lack a purge",
        plans=(EDIT, UNRELATED),
        faults=("failover", "trim"),
        max_faults=2,
        sights=("memory", "flight", "shared", "check"),
        large=True,
    ),
    replace(
        _ALONE,
        name="emptied-alone",
        story="Redis loses its control keys before, between or during two purges; one worker",
        plans=(EDIT, EDIT),
        faults=("flush",),
        max_faults=1,
    ),
    replace(
        _ALONE,
        name="lost-key",
        story="one control key of five is lost; two purges, one worker",
        plans=(UNRELATED, EDIT),
        faults=KEYS,
        max_faults=1,
    ),
    replace(
        _LEVELS,
        name="lost-key-restart",
        story="one control key is lost and the worker starts again beside a warm L2",
        faults=("lose-hard", "lose-acks", "crash"),
        max_faults=2,
    ),
    replace(
        _ONE_RENDERS,
        name="lifecycle",
        story="a worker is killed and starts again, or leaves",
        faults=("crash", "leave"),
        max_faults=1,
    ),
    replace(_PAIR, name="fork", story="a warm worker forks a child", faults=("fork",), max_faults=1),
    replace(
        _LEVELS,
        name="floor",
        story="the log is trimmed, or records are dropped from the map or from the server's table: GAP and CHECK",
        plans=(UNRELATED, EDIT),
        faults=("trim", "prune", "prune-server"),
        max_faults=1,
    ),
    replace(
        _LEVELS,
        name="checked",
        story="the log is trimmed past a worker whose L2 is warm: GAP, then CHECK lets an old entry pass",
        plans=(EDIT, UNRELATED),
        faults=("trim",),
        max_faults=1,
        sights=("memory", "flight", "shared", "check"),
    ),
    replace(
        _LEVELS,
        name="checked-soft",
        story="the same with a soft purge",
        plans=(SOFT, UNRELATED),
        faults=("trim",),
        max_faults=1,
        sights=("memory", "flight", "shared", "check", "stale within its grace"),
    ),
    replace(
        _LEVELS,
        name="pruned",
        story="records are dropped and the worker starts again beside a warm L2",
        faults=("prune", "prune-server", "crash"),
        max_faults=2,
    ),
    replace(
        _ALONE,
        name="threads",
        story="request threads and the follower come between each other's steps",
        plans=(EDIT, EDIT),
        threads=True,
    ),
    replace(
        _PAIR,
        name="soft",
        story="two workers, one soft purge with its grace",
        plans=(SOFT,),
        raising=True,
        sights=("memory", "flight", "stale within its grace"),
    ),
    replace(
        _ALONE,
        name="soft-twice",
        story="two soft purges of one page, one worker",
        plans=(SOFT, SOFT),
        raising=True,
        sights=("memory", "flight", "stale within its grace"),
    ),
    replace(
        _LEVELS,
        name="soft-restart",
        story="a soft purge; the worker starts again, the table of soft purges is lost",
        plans=(SOFT,),
        faults=("crash", "lose-soft"),
        max_faults=2,
        sights=("memory", "flight", "shared", "stale within its grace"),
    ),
    replace(_COMPOSED, name="parts", story="a page with a part, an edit of each"),
    replace(
        _COMPOSED,
        name="part-flights",
        story="the same, and parts are also rendered for others and shared",
        plans=(PART_EDIT, EDIT),
        part_flights=True,
    ),
    replace(
        _COMPOSED,
        name="soft-parts",
        story="a page with a part, a soft purge of the part",
        plans=(SOFT_PART,),
        part_flights=True,
        sights=("memory", "flight", "render", "stale within its grace"),
    ),
    replace(
        _ALONE,
        name="lagging-database",
        story="renders may read a database that lags, with `settle`; the worker may be new",
        lag=True,
        faults=("crash", "trim"),
        max_faults=1,
    ),
    replace(
        _PAIR,
        name="split-brain",
        story="a replica is promoted while the old primary goes on; A follows the new one, B the old one",
        faults=("split",),
        max_faults=1,
        large=True,
    ),
    replace(
        _PAIR,
        name="two-edits-both",
        story="two edits; both workers render",
        plans=(EDIT, EDIT),
        raising=True,
        large=True,
    ),
    replace(
        _ONE_RENDERS,
        name="three-purges",
        story="an unrelated purge between two edits; one worker renders, both follow",
        plans=(EDIT, UNRELATED, EDIT),
        large=True,
    ),
    replace(
        _ACROSS,
        name="shared-both",
        story="two workers that render and read L2, one edit",
        renderers=(0, 1),
        readers=(0, 1),
        late_put=False,
        large=True,
    ),
    replace(
        _ACROSS,
        name="shared-newcomer",
        story="A renders, B has yet to join and reads L2; one control key is lost",
        newcomers=(1,),
        late_put=False,
        faults=("lose-hard", "lose-acks", "lose-grants"),
        max_faults=1,
        large=True,
    ),
    replace(
        _PAIR,
        name="failover-both",
        story="a lossy failover; both workers render",
        faults=("failover",),
        max_faults=1,
        large=True,
    ),
    replace(
        _ONE_RENDERS,
        name="emptied-two-edits",
        story="Redis loses its control keys before, between or during two purges; both follow",
        plans=(EDIT, EDIT),
        faults=("flush",),
        max_faults=1,
        large=True,
    ),
    replace(
        _ACROSS,
        name="soft-newcomer",
        story="A renders, B has yet to join and reads L2; one soft purge",
        plans=(SOFT,),
        newcomers=(1,),
        merging=False,
        late_put=False,
        faults=("trim", "lose-soft"),
        max_faults=1,
        sights=("memory", "shared", "stale within its grace"),
        large=True,
    ),
    replace(
        _ONE_RENDERS,
        name="soft-then-hard",
        story="a soft purge and a hard one of the same page; one worker renders, both follow",
        plans=(SOFT, EDIT),
        raising=True,
        sights=("memory", "flight", "stale within its grace"),
        large=True,
    ),
    replace(
        _COMPOSED,
        name="soft-parts-and-edits",
        story="a page with a part, a soft purge of the part, an edit of the page",
        plans=(SOFT_PART, EDIT),
        part_flights=True,
        sights=("memory", "flight", "render", "stale within its grace", "page newer than its part"),
        large=True,
    ),
)

SCOPES: Final = {scope.name: scope for scope in _SCOPES}
