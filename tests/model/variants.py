"""The protocol with one thing changed, again and again, and the history that each mistake leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .scopes import SCOPES
from .world import Protocol, World


@dataclass(frozen=True)
class Variant:
    """A changed protocol and the scope that shows what the change does.

    `steps` is the length of the shortest history that breaks the promise, 0 if there is none. `missing` names what is
    never seen where a change breaks no promise but leads nowhere.
    """

    name: str
    scope: str
    protocol: Protocol
    steps: int
    story: str
    missing: str = ""

    @property
    def world(self) -> World:
        """What to search."""
        return World(SCOPES[self.scope], self.protocol)


_PLAIN: Final = Protocol(leases=False, compares=False, barrier=False)
_GUARDED: Final = Protocol().guarded

BROKEN: Final = (
    Variant(
        "v-pubsub-no-lease",
        "one-worker",
        _PLAIN,
        4,
        "the purge is published and deletes what it finds; what is being rendered is stored afterwards",
    ),
    Variant(
        "v-delete-then-fill",
        "no-merging",
        _PLAIN,
        5,
        "the same without shared renders: the fill after the delete lives on",
    ),
    Variant(
        "v-store-time-version",
        "one-worker",
        Protocol(stamp="finish"),
        6,
        "an entry stamped when it is stored looks newer than the purge",
    ),
    Variant(
        "v-log-no-wait",
        "one-edit",
        Protocol(barrier=False),
        6,
        "log and lease, but 200 as soon as the purge is recorded: a worker is still inside its lease",
    ),
    Variant(
        "v-late-joiner",
        "one-edit",
        Protocol(flight_checked=False),
        6,
        "a visitor who comes after the 200 shares a render that began before the purge",
    ),
    Variant(
        "v-unsure-late-joiner",
        "one-edit",
        Protocol(unsure_flight_checked=False),
        4,
        "the same in a worker without a lease, which knows of no purge at all",
    ),
    Variant(
        "v-ack-before-apply",
        "one-edit",
        Protocol(acks="heard"),
        8,
        "a position is acknowledged when it is read from the log, and applied later",
    ),
    Variant(
        "v-lease-from-reply",
        "one-edit",
        Protocol(lease_from="reply"),
        6,
        "a delayed reply: the lease counts from its receipt and outlives the purger's wait",
    ),
    Variant(
        "v-lease-before-apply",
        "one-edit",
        Protocol(lease_after_apply=False),
        6,
        "the lease is used before the list that came with it is applied",
    ),
    Variant(
        "v-wait-from-call",
        "one-edit",
        Protocol(wait_from="call"),
        7,
        "the purger's wait begins before its purge is recorded: a lease granted in between outlives it",
    ),
    Variant(
        "v-grant-while-behind",
        "unrelated",
        Protocol(evicts_by="ack"),
        8,
        "a worker gets a lease with its list, is evicted for its old acknowledgement, and the next purge ignores it",
    ),
    Variant(
        "v-registry-ttl",
        "one-edit",
        Protocol(registry_expires=True),
        7,
        "the registration expires by some clock while the lease still runs",
    ),
    Variant(
        "v-no-epoch-restart",
        "emptied",
        Protocol(notices_loss=False, chain="none"),
        7,
        "an emptied registry is believed",
    ),
    Variant(
        "v-no-epoch-failover",
        "failover",
        Protocol(notices_identity=False),
        7,
        "the registry of a replica that lags is believed",
    ),
    Variant(
        "v-no-grace",
        "emptied",
        Protocol(grace=False),
        7,
        "a new epoch is noticed, and its empty registry believed at once",
    ),
    Variant(
        "v-low-without-epoch",
        "emptied-alone",
        Protocol(proof="none"),
        8,
        "a purger that waits takes the low water mark of the next epoch for its own",
    ),
    Variant(
        "v-no-chain",
        "failover-shared",
        Protocol(server_validates=True, notices_identity=False, chain="none"),
        7,
        "the server judges L2 entries, and the server is a replica that lacks the purge",
    ),
    Variant(
        "v-l2-without-lease",
        "shared",
        Protocol(shared_lease=False),
        7,
        "a worker without a lease uses what L2 sends",
    ),
    Variant(
        "v-l2-fill-race",
        "shared-overtaken",
        Protocol(fill="now"),
        10,
        "a reply of L2 is overtaken by a purge, and L1 is filled with the current position",
    ),
    Variant(
        "v-own-purge-jumps",
        "own-purge",
        Protocol(own_purge_jumps=True),
        8,
        "a worker that purges takes its own number for its position and skips what came before",
    ),
    Variant(
        "v-position-before-map",
        "threads",
        Protocol(map_first=False),
        12,
        "the position is set before the map: a hit in between raises the base past the purge",
    ),
    Variant(
        "v-late-position",
        "threads",
        Protocol(raises_base_to="after"),
        10,
        "a hit raises the base to a position read after it looked at the map",
    ),
    Variant("v-fork-inherits", "fork", Protocol(fork_resets=False), 9, "a child serves what it inherited"),
    Variant(
        "v-leave-serving",
        "lifecycle",
        Protocol(stops_before_leaving=False),
        7,
        "a worker leaves the registry and serves its last requests from the cache",
    ),
    Variant(
        "v-grants-unguarded",
        "lost-key",
        Protocol(guarded=_GUARDED - {"grants"}),
        9,
        "only the grants are lost, unnoticed: eviction falls back to the acknowledgement",
    ),
    Variant(
        "v-acks-unguarded", "lost-key", Protocol(guarded=_GUARDED - {"acks"}), 8, "only the registry is lost, unnoticed"
    ),
    Variant(
        "v-tags-unguarded",
        "lost-key-restart",
        Protocol(guarded=_GUARDED - {"hard"}),
        11,
        "only the version table is lost, unnoticed: who joins learns of no purge",
    ),
    Variant(
        "v-prune-no-floor",
        "pruned",
        Protocol(floor_follows=False),
        9,
        "a record is dropped from the map and the floor stays",
    ),
    Variant(
        "v-gap-continues",
        "floor",
        Protocol(gap_clears=False),
        9,
        "a worker that the log was trimmed past goes on with what it holds",
    ),
    Variant(
        "v-check-overtaken",
        "floor",
        Protocol(check_rechecked=False),
        12,
        "CHECK's consent is overtaken by a purge and used all the same",
    ),
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
        "soft-restart",
        Protocol(guarded=_GUARDED - {"soft"}),
        12,
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
"""Each is one mistake, and each has a counterexample (one is safe and useless instead)."""

LIMITS: Final = (
    Variant(
        "l-lagging-database",
        "lagging-database",
        Protocol(settles=False),
        7,
        "A1: a render that began after the purge reads a database that does not show the edit yet",
    ),
    Variant(
        "l-clock-rates",
        "one-edit",
        Protocol(clocks_agree=False),
        6,
        "A2: a worker's clock runs so slowly that its lease outlasts the purger's wait",
    ),
    Variant("l-missing-tags", "one-worker", Protocol(tags_complete=False), 6, "A3: the page did not report its tag"),
    Variant(
        "l-no-min-replicas",
        "split-brain",
        Protocol(min_replicas=False),
        7,
        "A4: a replaced primary goes on granting leases",
    ),
    Variant(
        "l-no-wait-replicas",
        "split-brain",
        Protocol(wait_replicas=False),
        8,
        "A4: a replaced primary takes a purge that the new side never hears of",
    ),
)
"""The guarantee without one of its assumptions: each of them is needed."""

SOUND: Final = (
    Variant("p-grant-behind", "unrelated", Protocol(), 0, "the protocol: the list with a grant, eviction by the grant"),
    Variant("p-grant-behind-more", "catching-up", Protocol(), 0, "the same when the list does not fit into one reply"),
    Variant(
        "p-grant-refused",
        "unrelated",
        Protocol(behind="refuse", evicts_by="ack"),
        0,
        "no lease for who is behind: safe too, but a storm of purges starves it",
    ),
    Variant(
        "p-check-without-server",
        "failover-check",
        Protocol(reads_know_server=False),
        0,
        "CHECK may do without the server's identity: writes have it",
    ),
)
"""Other protocols that keep the promise."""
