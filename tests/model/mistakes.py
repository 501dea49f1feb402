"""The protocol with one mistake, again and again: in the clock, the leases, the barrier, the epochs, L2 and the threads."""

from __future__ import annotations

from typing import Final

from .mistakes_in_parts import IN_PARTS
from .variants import Variant
from .world import Protocol

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
        9,
        "a worker gets a lease with its list, is evicted for its old acknowledgement, and the next purge does not wait",
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
        Protocol(notices_loss=False, chain=False),
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
        "forgotten-purge",
        Protocol(server_validates=True, notices_identity=False, chain=False),
        10,
        "the server judges L2 entries, and the server is a replica that lacks the purge",
    ),
    Variant(
        "v-l2-without-lease",
        "shared",
        Protocol(shared_lease=False),
        6,
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
        11,
        "only the grants are lost, unnoticed: eviction falls back to the acknowledgement",
    ),
    Variant(
        "v-acks-unguarded", "lost-key", Protocol(guarded=_GUARDED - {"acks"}), 8, "only the registry is lost, unnoticed"
    ),
    Variant(
        "v-tags-unguarded",
        "lost-key-newcomer",
        Protocol(guarded=_GUARDED - {"hard"}),
        8,
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
    *IN_PARTS,
)
"""Each is one mistake, and each has a counterexample (one is safe and useless instead)."""
