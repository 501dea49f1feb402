"""The protocol with one thing wrong, again and again, and the history that each mistake leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .scopes import SCOPES
from .world import Protocol, Scope, World


@dataclass(frozen=True)
class Variant:
    """A changed protocol, the scope that shows what it does, and the length of the shortest history that breaks it."""

    name: str
    scope: Scope
    protocol: Protocol
    steps: int
    story: str
    missing: str = ""
    """For a variant that breaks no promise but never gets anywhere: what is never seen."""

    @property
    def world(self) -> World:
        """What to search."""
        return World(self.scope, self.protocol)


def _v(name: str, scope: str, steps: int, story: str, missing: str = "", **switches: object) -> Variant:
    return Variant(name, SCOPES[scope], Protocol(**switches), steps, story, missing)  # type: ignore[arg-type]


PLAIN: Final = {"leases": False, "compares": False, "barrier": False}
GUARDED: Final = Protocol().guarded

BROKEN: Final = (
    _v("v-pubsub-no-lease", "one-worker", 0, "", **PLAIN),
    _v("v-delete-then-fill", "no-merging", 0, "", **PLAIN),
    _v("v-store-time-version", "one-worker", 0, "", stamp="finish"),
    _v("v-log-no-wait", "one-edit", 0, "", barrier=False),
    _v("v-late-joiner", "one-edit", 0, "", flight_checked=False),
    _v("v-unsure-late-joiner", "one-edit", 0, "", unsure_flight_checked=False),
    _v("v-ack-before-apply", "one-edit", 0, "", acks="heard"),
    _v("v-lease-from-reply", "one-edit", 0, "", lease_from="reply"),
    _v("v-lease-before-apply", "one-edit", 0, "", lease_after_apply=False),
    _v("v-wait-from-call", "one-edit", 0, "", wait_from="call"),
    _v("v-grant-while-behind", "unrelated", 0, "", evicts_by="ack"),
    _v("v-registry-ttl", "one-edit", 0, "", registry_expires=True),
    _v("v-no-epoch-restart", "emptied", 0, "", notices_loss=False, chain="none"),
    _v("v-no-epoch-failover", "failover", 0, "", notices_identity=False),
    _v("v-no-grace", "emptied", 0, "", grace=False),
    _v("v-low-without-epoch", "emptied-two-edits", 0, "", proof="none"),
    _v("v-no-chain", "failover-shared", 0, "", server_validates=True, notices_identity=False, chain="none"),
    _v("v-l2-without-lease", "shared", 0, "", shared_lease=False),
    _v("v-l2-fill-race", "shared-overtaken", 0, "", fill="now"),
    _v("v-own-purge-jumps", "own-purge", 0, "", own_purge_jumps=True),
    _v("v-position-before-map", "threads", 0, "", map_first=False),
    _v("v-late-position", "threads", 0, "", raises_base_to="after"),
    _v("v-fork-inherits", "fork", 0, "", fork_resets=False),
    _v("v-leave-serving", "lifecycle", 0, "", stops_before_leaving=False),
    _v("v-grants-unguarded", "lost-key", 0, "", guarded=GUARDED - {"grants"}),
    _v("v-acks-unguarded", "lost-key", 0, "", guarded=GUARDED - {"acks"}),
    _v("v-tags-unguarded", "lost-key-newcomer", 0, "", guarded=GUARDED - {"hard"}),
    _v("v-prune-no-floor", "floor", 0, "", floor_follows=False),
    _v("v-gap-continues", "floor", 0, "", gap_clears=False),
    _v("v-check-overtaken", "floor", 0, "", check_rechecked=False),
    _v("v-soft-forever", "soft", 0, "", raises_past_soft=True),
    _v("v-soft-revives", "soft-twice", 0, "", hardens=False),
    _v("v-soft-prolonged", "soft-twice", 0, "", grace_restarts=True),
    _v("v-soft-late-grace", "soft-shared", 0, "", grace_needs_lease=False),
    _v("v-soft-unguarded", "soft-shared", 0, "", guarded=GUARDED - {"soft"}),
    _v("v-check-ignores-soft", "soft-shared", 0, "", check_knows_soft=False),
    _v("v-fragment-unchecked", "parts", 0, "", part_checked=False),
    _v("v-fragment-without-lease", "parts", 0, "", part_lease=False),
    _v("v-fragment-late-joiner", "part-flights", 0, "", part_flight_checked=False),
    _v("v-stale-part-stored", "soft-parts", 0, "", stale_part_stored=True),
    _v("v-page-base-min", "parts", 0, "", "page newer than its part", page_base="least"),
    _v("v-settle-fresh-worker", "lagging-database", 0, "", window_at_join=False),
    _v("v-settle-merged", "lagging-database", 0, "", window_merges=True),
)

LIMITS: Final = (
    _v("l-lagging-database", "lagging-database", 0, "", settles=False),
    _v("l-clock-rates", "one-edit", 0, "", clocks_agree=False),
    _v("l-missing-tags", "one-worker", 0, "", tags_complete=False),
    _v("l-split-brain", "split-brain", 0, "", wait_replicas=False),
    _v("l-no-min-replicas", "split-brain", 0, "", min_replicas=False),
)

SOUND: Final = (
    _v("p-check-without-server", "failover-shared", 0, "", reads_know_server=False),
    _v("p-grant-behind", "unrelated", 0, ""),
    _v("p-grant-behind-more", "catching-up", 0, ""),
    _v("p-grant-refused", "unrelated", 0, "", behind="refuse", evicts_by="ack"),
)
