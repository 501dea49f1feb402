"""What a state of the model is: the control keys, the workers, the purges under way, and nothing that is not needed.

Everything is a tuple of small integers, so that states hash, compare and share their unchanged parts. No state knows a
time of day. A lease is the set of waits that began after its request was sent (`timing`), which is all that matters.
"""

from __future__ import annotations

from typing import Final, NamedTuple

TAGS: Final = (0, 1)
PAGE, OTHER = TAGS
"""The tag of the page, and the other one: nobody's in most scopes, the fragment's in those with parts."""

ABSENT: Final = -1
"""In a content: does not depend on that tag. In a registry: not registered. In a lease: there is none."""
PENDING: Final = -2
"""In the content of a page being rendered: the part was not used yet."""

Pair = tuple[int, int]


class Entry(NamedTuple):
    """A stored page or part; `content` holds the version that was rendered, for each tag."""

    epoch: int
    base: int
    content: Pair


NOTHING: Final = Entry(-1, 0, (ABSENT, ABSENT))


class Render(NamedTuple):
    """A render under way: its token, what it has read, and what its own visitor must not miss."""

    epoch: int
    base: int
    content: Pair
    storable: bool
    need: Pair


IDLE: Final = Render(-1, 0, (ABSENT, ABSENT), storable=True, need=(0, 0))


class Fetch(NamedTuple):
    """A reply of L2 on its way to the worker; `checked` once CHECK has answered."""

    entry: Entry
    checked: bool


NO_FETCH: Final = Fetch(NOTHING, checked=False)


class Record(NamedTuple):
    """One entry of the purge log."""

    tag: int
    soft: bool
    nonce: int


class Reply(NamedTuple):
    """An answer of RENEW on its way: the records to apply, then the lease (or none)."""

    under_way: bool
    records: tuple[Record, ...]
    lease: int


NO_REPLY: Final = Reply(under_way=False, records=(), lease=ABSENT)


class Clock(NamedTuple):
    """The control keys in Redis. `log` ends at `seq`; `acks` and `grants` have one more place, for a dead worker.

    `low` is the last entry of the stream that purgers wait for: the smallest acknowledged position.
    """

    epoch: int
    identity: int
    intact: bool
    seq: int
    tip: int
    log: tuple[Record, ...]
    hard: Pair
    soft: Pair
    floor: int
    acks: tuple[int, ...]
    grants: tuple[int, ...]
    low: int
    settled: bool


class Worker(NamedTuple):
    """One process. `heard` is what it has read of the log, `pos` what it has applied: one number in a right protocol."""

    epoch: int
    pos: int
    heard: int
    tip: int
    hard: Pair
    soft: Pair
    grace: Pair
    floor: int
    lease: int
    reply: Reply
    page: Entry
    part: Entry
    render: Render
    part_render: Render
    fetch: Fetch
    put: Entry
    glance: int
    passed: bool
    half: tuple[Record, ...]
    lagging: Pair
    following: bool


class Phase:
    """How far a purge has come; a soft one is `BOUNDED` when its grace has passed since it was acknowledged."""

    PLANNED: Final = 0
    CALLED: Final = 1
    RECORDED: Final = 2
    ACKNOWLEDGED: Final = 3
    BOUNDED: Final = 4


class Purge(NamedTuple):
    """A purge under way or done."""

    phase: int
    seq: int
    epoch: int
    settled: bool
    old_side: bool


PLANNED_PURGE: Final = Purge(Phase.PLANNED, 0, 0, settled=False, old_side=False)


class State(NamedTuple):
    """Everything. `edits` counts the purges recorded for each tag, `shown` what a lagging database shows of them.

    `old` is a primary that was replaced and does not know it, `old_side` the workers that still talk to it.
    """

    clock: Clock
    replica: Clock
    identity: int
    old: Clock
    old_identity: int
    old_side: tuple[int, ...]
    epochs: int
    shared: Entry
    workers: tuple[Worker, ...]
    purges: tuple[Purge, ...]
    edits: Pair
    shown: Pair
    faults: int


class Answer(NamedTuple):
    """What a visitor got: from where, which versions, and the versions acknowledged before the visitor came."""

    source: str
    content: Pair
    need: Pair


class Step(NamedTuple):
    """One thing that may happen next."""

    text: str
    state: State
    answer: Answer | None = None


def put(pair: Pair, tag: int, value: int) -> Pair:
    """The pair with one place changed."""
    return (value, pair[1]) if tag == PAGE else (pair[0], value)


def with_worker(state: State, index: int, worker: Worker) -> State:
    """The state with one worker changed."""
    workers = state.workers
    return state._replace(workers=(*workers[:index], worker, *workers[index + 1 :]))


def with_purge(state: State, index: int, purge: Purge) -> State:
    """The state with one purge changed."""
    purges = state.purges
    return state._replace(purges=(*purges[:index], purge, *purges[index + 1 :]))
