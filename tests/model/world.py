"""What a search is about: the protocol as a set of switches, and a scope that bounds what may happen.

The defaults of `Protocol` are the protocol of the product. Every other value is a mistake somebody could make, or
already made elsewhere; a variant is a few of them together (`variants`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from .state import TAGS, Pair, Phase, State


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The switches. Each comment says what the protocol does, that is, what the default means."""

    # Entries.
    tags_complete: bool = True  # A3: an entry carries the tags of all it depends on
    compares: bool = True  # an entry is judged by its base; otherwise a purge deletes what it finds, and no more
    stamp: Literal["start", "finish"] = "start"  # the position that an entry keeps is that of its render's start
    raises_base_to: Literal["before", "after"] = "before"  # a hit raises the base to the position read before the check
    raises_past_soft: bool = False  # no base is raised past a pending soft purge
    floor_follows: bool = True  # dropping records raises the floor below which nothing is known
    gap_clears: bool = True  # a worker that the log was trimmed past drops all it holds

    # Leases.
    leases: bool = True  # cached answers need a live lease
    shared_lease: bool = True  # so do answers from L2
    lease_from: Literal["request", "reply"] = "request"  # a lease counts from before its request was sent
    lease_after_apply: bool = True  # the list that comes with a lease is applied before the lease is used
    map_first: bool = True  # an applied record enters the map before the position says so
    fork_resets: bool = True  # a forked child starts with nothing
    stops_before_leaving: bool = True  # a worker that leaves has stopped serving

    # Acknowledgements and the barrier.
    barrier: bool = True  # a purge is answered after the acknowledgements or a whole lease
    acks: Literal["applied", "heard"] = "applied"  # what is acknowledged has been applied
    wait_from: Literal["record", "call"] = "record"  # the wait begins after the purge was recorded
    behind: Literal["grant", "refuse"] = "grant"  # a worker that is behind gets the list and a grant
    evicts_by: Literal["grant", "ack"] = "grant"  # and the number of its grant saves it from eviction
    clocks_agree: bool = True  # A2: no lease outlasts a wait that began after it
    registry_expires: bool = False  # no clock takes a worker off the registry
    own_purge_jumps: bool = False  # the worker that purges does not skip what came before its own purge

    # Epochs.
    notices_loss: bool = True  # an emptied Redis, or a lost control key, is a new epoch
    notices_identity: bool = True  # so is another server
    chain: bool = True  # a position counts only together with the nonce recorded there
    guarded: frozenset[str] = frozenset({"hard", "soft", "acks", "grants"})  # keys whose loss is noticed
    grace: bool = True  # in a new epoch the registry is no evidence until a lease time has passed
    proof: Literal["epoch", "none"] = "epoch"  # acknowledgements of another epoch prove nothing
    wait_replicas: bool = True  # with replicas: a purge that no replica confirms is not answered 200
    min_replicas: bool = True  # with replicas: a primary that lost them refuses writes before a whole wait is over

    # L2 and flights.
    fill: Literal["header", "now"] = "header"  # what comes from L2 keeps its base in L1
    server_validates: bool = False  # L2 replies are judged by the worker, not by the server
    check_rechecked: bool = True  # what CHECK let pass is judged once more by the worker
    reads_know_server: bool = True  # CHECK notices another server
    check_knows_soft: bool = True  # CHECK looks at soft purges too
    flight_checked: bool = True  # a late visitor's share in a render is checked when it is handed over
    unsure_flight_checked: bool = True  # without a lease a late visitor starts another render

    # Soft purges and lagging databases.
    hardens: bool = True  # a soft purge becomes a hard one when its grace ends
    grace_restarts: bool = False  # a second soft purge does not prolong the grace of the first
    grace_needs_lease: bool = True  # grace is for those who apply in time: without a live lease soft is hard
    settles: bool = True  # what is rendered soon after a purge may be old, and is not stored (or A1: no database lags)
    window_at_join: bool = True  # whoever joins has just applied everything, so its settling time begins
    window_merges: bool = False  # what is rendered in the settling time is not shared with late visitors

    # Parts.
    part_checked: bool = True  # a part is checked when it is used
    part_lease: bool = True  # and used under a lease only
    part_flight_checked: bool = True  # also when it comes out of somebody's render
    stale_part_stored: bool = False  # a page with a stale part is not stored
    page_base: Literal["own", "least"] = "own"  # a page counts from its own start


@dataclass(frozen=True)
class Plan:
    """One purge that may happen: of which tag, how, and by whom (None: by a command line or a cron job)."""

    tag: int
    soft: bool = False
    by: int | None = None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What may happen in one search, and what must be seen to happen."""

    name: str
    story: str
    plans: tuple[Plan, ...]
    workers: int = 2
    renderers: tuple[int, ...] = (0, 1)
    readers: tuple[int, ...] = (0, 1)
    merging: bool = True  # late visitors share renders
    shared: bool = False  # L2
    warm: bool = False  # L2 holds the page at the beginning
    late_put: bool = False  # SETs that arrive late
    raising: bool = False  # hits raise the base of what they hit
    parts: bool = False
    part_flights: bool = False  # parts are also rendered for others
    threads: bool = False  # request threads and the follower interleave inside a check
    lag: bool = False  # renders may read a database replica that lags; `settle` is on
    list_cap: int = 9  # records that one RENEW returns
    newcomers: tuple[int, ...] = ()  # workers that have not joined yet
    faults: tuple[str, ...] = ()
    max_faults: int = 0
    sights: tuple[str, ...] = ()  # what must be seen at least once
    large: bool = False

    @cached_property
    def versions(self) -> tuple[int, ...]:
        """The version of its tag that each planned purge makes old versions older than."""
        return tuple(
            sum(1 for earlier in self.plans[: index + 1] if earlier.tag == plan.tag)
            for index, plan in enumerate(self.plans)
        )

    @cached_property
    def settle_wait(self) -> int:
        """The wait after which an epoch is settled; the first ones belong to the purges."""
        return 1 << len(self.plans)

    @cached_property
    def replicated(self) -> bool:
        """Whether there is a replica to take over."""
        return bool({"failover", "split"} & set(self.faults))

    @cached_property
    def old_lease(self) -> int:
        """The mark of a lease that a replaced primary granted."""
        return 1 << (len(self.plans) + 1)

    @cached_property
    def symmetric(self) -> bool:
        """Whether the two workers may change names."""
        both = self.workers == 2 and self.renderers == self.readers == (0, 1)
        return (
            both
            and all(plan.by is None for plan in self.plans)
            and not {"fork", "leave", "split"} & set(self.faults)
            and not self.newcomers
        )


_RIGHT: Final = Protocol()


@dataclass(frozen=True)
class World:
    """A scope searched under a protocol."""

    scope: Scope
    protocol: Protocol = _RIGHT

    @cached_property
    def right(self) -> bool:
        """Whether this is the product's protocol, for which the invariants are to hold as well."""
        return self.protocol == _RIGHT

    def need(self, state: State) -> Pair:
        """The versions that a visitor who comes now must not fall behind, for each tag."""
        needs = [0 for _ in TAGS]
        for plan, version, purge in zip(self.scope.plans, self.scope.versions, state.purges, strict=True):
            bound = Phase.BOUNDED if plan.soft or self.scope.lag else Phase.ACKNOWLEDGED
            if purge.phase >= bound and version > needs[plan.tag]:
                needs[plan.tag] = version
        return (needs[0], needs[1])
