"""The protocol with one thing changed; and the changes that are no mistakes (`mistakes` has the others)."""

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
        "p-blob-without-chain",
        "forgotten-purge",
        Protocol(notices_identity=False, chain=False),
        0,
        "the same loss, but the worker judges L2 entries: it has applied the purge that the server lacks",
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
