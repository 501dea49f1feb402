"""Mistakes in soft purges, in pages made of parts, and with databases that lag."""

from __future__ import annotations

from typing import Final

from .variants import Variant
from .world import Protocol

IN_PARTS: Final = (
    Variant(
        "v-soft-forever",
        "soft",
        Protocol(raises_past_soft=True),
        11,
        "a hit within the grace raises the base past the soft purge: stale becomes fresh",
    ),
    Variant(
        "v-soft-revives",
        "soft-twice",
        Protocol(hardens=False),
        11,
        "a second soft purge gives what the first one ended another grace",
    ),
    Variant(
        "v-soft-prolonged",
        "soft-twice",
        Protocol(grace_restarts=True),
        11,
        "a second soft purge prolongs the grace of the first",
    ),
    Variant(
        "v-soft-late-grace",
        "soft",
        Protocol(grace_needs_lease=False),
        7,
        "a worker that applies a soft purge late, after the 200, counts the grace from then",
    ),
    Variant(
        "v-soft-unguarded",
        "soft-newcomer",
        Protocol(guarded=Protocol().guarded - {"soft"}),
        9,
        "only the table of soft purges is lost, unnoticed",
    ),
    Variant(
        "v-check-ignores-soft",
        "checked-soft",
        Protocol(check_knows_soft=False),
        12,
        "CHECK looks at hard purges only: its consent launders what was purged softly",
    ),
    Variant(
        "v-fragment-unchecked",
        "parts",
        Protocol(part_checked=False),
        11,
        "a stored part is used unchecked in a page that counts from its own, later start",
    ),
    Variant(
        "v-fragment-without-lease",
        "parts",
        Protocol(part_lease=False),
        9,
        "a stored part is used by a worker that cannot know whether it was purged",
    ),
    Variant(
        "v-fragment-late-joiner",
        "part-flights",
        Protocol(part_flight_checked=False),
        6,
        "a page shares the render of a part that began before the purge",
    ),
    Variant(
        "v-stale-part-stored",
        "soft-parts",
        Protocol(stale_part_stored=True),
        11,
        "a page with a stale part is stored: it counts from after the purge and outlives the grace",
    ),
    Variant(
        "v-page-base-min",
        "parts",
        Protocol(page_base="least"),
        0,
        "a page counts from its oldest part: purged once, it is never valid again while the part is",
        "page newer than its part",
    ),
    Variant(
        "v-settle-fresh-worker",
        "lagging-database",
        Protocol(window_at_join=False),
        9,
        "a worker that has just joined stores what a lagging database shows",
    ),
    Variant(
        "v-settle-merged",
        "lagging-database",
        Protocol(window_merges=True),
        7,
        "a render within the settling time is shared with somebody who comes after it",
    ),
)
