"""Pages made of parts: a page (its own tag) contains a part (the other tag), which is cached for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .check import Verdict, leased, verdict
from .follower import NAMES
from .state import ABSENT, IDLE, NOTHING, OTHER, PENDING, Entry, Render, Step, with_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import State, Worker
    from .world import World


def compose(world: World, state: State) -> Iterator[Step]:
    """Everything that may happen to parts next."""
    if not world.scope.parts:
        return
    for index, worker in enumerate(state.workers):
        if worker.epoch <= 0 or index not in world.scope.renderers:
            continue
        waiting = worker.render is not IDLE and worker.render.content[OTHER] == PENDING
        if waiting:
            yield from _use(world, state, index, worker)
        if not world.scope.part_flights:
            continue
        if worker.part_render is IDLE:
            render = Render(worker.epoch, worker.pos, (ABSENT, state.edits[OTHER]), storable=True, need=(0, 0))
            begun = with_worker(state, index, worker._replace(part_render=render))
            yield Step(f"{NAMES[index]} renders the part for somebody: version {state.edits[OTHER]}", begun)
        else:
            yield from _land(world, state, index, worker, waiting=waiting)


def _use(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    """The page takes the part from L1 if the check lets it, otherwise it renders the part itself."""
    protocol, part, name = world.protocol, worker.part, NAMES[index]
    judged = verdict(protocol, worker, part)
    sure = leased(protocol, worker) or not protocol.part_lease
    if part is not NOTHING and sure and (judged >= Verdict.STALE or not protocol.part_checked):
        after = _with_part(world, worker, part, judged)
        yield Step(
            f"{name}'s page takes the stored part, version {part.content[OTHER]}", with_worker(state, index, after)
        )
        return
    part = Entry(worker.epoch, worker.pos, (ABSENT, state.edits[OTHER]))
    after = _with_part(world, worker, part, Verdict.FRESH)._replace(part=part)
    text = f"{name}'s page renders the part itself: version {part.content[OTHER]}"
    yield Step(text, with_worker(state, index, after))


def _land(world: World, state: State, index: int, worker: Worker, *, waiting: bool) -> Iterator[Step]:
    """The part's render ends; a page that waits for it takes it after the same check."""
    protocol, render, name = world.protocol, worker.part_render, NAMES[index]
    part = Entry(render.epoch, render.base, render.content)
    judged = verdict(protocol, worker, part)
    worker = worker._replace(part_render=IDLE)
    if judged >= Verdict.STALE:
        worker = worker._replace(part=part)
    yield Step(f"{name}'s part is rendered", with_worker(state, index, worker))
    sure = leased(protocol, worker) and judged >= Verdict.STALE
    if waiting and (sure or not protocol.part_flight_checked):
        after = _with_part(world, worker, part, judged)
        text = f"{name}'s part is rendered, the page shares it, version {part.content[OTHER]}"
        yield Step(text, with_worker(state, index, after))


def _with_part(world: World, worker: Worker, part: Entry, judged: Verdict) -> Worker:
    render, protocol = worker.render, world.protocol
    fresh = judged != Verdict.STALE or protocol.stale_part_stored
    base = render.base if protocol.page_base == "own" else min(render.base, part.base)
    content = (render.content[0], part.content[OTHER])
    return worker._replace(render=render._replace(base=base, content=content, storable=render.storable and fresh))
