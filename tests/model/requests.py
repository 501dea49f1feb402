"""What requests do: render, share a render, read L2, fill L1. A hit in L1 changes nothing, so `memory_answers` asks every state.

A render reads the database when it starts: any later and it would only be newer. A visitor who shares a flight or a
look-up in L2 may come at the last moment, so such an answer must not miss anything acknowledged until it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import server
from .check import Verdict, leased, raised, serves, tidy, verdict
from .follower import NAMES
from .state import (
    ABSENT,
    IDLE,
    NO_FETCH,
    NOTHING,
    OTHER,
    PAGE,
    PENDING,
    Answer,
    Entry,
    Fetch,
    Render,
    Step,
    with_worker,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import State, Worker
    from .world import World


def memory_answers(world: World, state: State) -> Iterator[tuple[int, Answer]]:
    """What each worker would answer from L1 to a visitor who comes now."""
    for index, worker in enumerate(state.workers):
        if worker.page is not NOTHING and serves(world.protocol, worker, worker.page):
            yield index, Answer("memory", worker.page.content, world.need(state))


def request(world: World, state: State) -> Iterator[Step]:
    """Everything that requests may do next."""
    scope = world.scope
    for index, worker in enumerate(state.workers):
        if worker.epoch <= 0:
            continue
        if index in scope.renderers:
            yield from _render(world, state, index, worker)
        if scope.shared and index in scope.readers:
            yield from _look_up(world, state, index, worker)
        if worker.put is not NOTHING:
            late = with_worker(state._replace(shared=worker.put), index, worker._replace(put=NOTHING))
            yield Step(f"{NAMES[index]}'s SET reaches L2", late)
        if scope.raising:
            yield from _raise(world, state, index, worker)
        if scope.threads:
            yield from _check_in_parts(world, state, index, worker)
        if scope.lag:
            yield from _window_over(state, index, worker)


def _raise(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    if serves(world.protocol, worker, worker.page):
        page = raised(world.protocol, worker, worker.page)
        if page is not worker.page:
            hit = with_worker(state, index, worker._replace(page=page))
            yield Step(f"a hit at {NAMES[index]} raises the base to {page.base}", hit)


def _render(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    if worker.render is IDLE:
        yield from _start(world, state, index, worker)
    elif worker.render.content[OTHER] != PENDING:
        yield from _finish(world, state, index, worker)


def _start(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    scope = world.scope
    need = world.need(state) if scope.parts else (0, 0)
    other = PENDING if scope.parts else ABSENT
    versions = {state.edits[PAGE], state.shown[PAGE]} if scope.lag else {state.edits[PAGE]}
    for version in sorted(versions):
        storable = not (scope.lag and worker.lagging[PAGE])
        render = Render(worker.epoch, worker.pos, (version, other), storable, need)
        after = with_worker(state, index, worker._replace(render=render))
        yield Step(f"{NAMES[index]} renders the page: reads version {version}, base {worker.pos}", after)


def _finish(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    protocol, render, name = world.protocol, worker.render, NAMES[index]
    entry = Entry(render.epoch, render.base, render.content)
    if protocol.stamp == "finish":
        entry = entry._replace(epoch=worker.epoch, base=worker.pos)
    judged = verdict(protocol, worker, entry)
    done = worker._replace(render=IDLE)
    if judged >= Verdict.STALE and render.storable:
        done = done._replace(page=entry, glance=ABSENT, passed=False)
        if world.scope.late_put:
            done = done._replace(put=entry if worker.put is NOTHING else worker.put)
        elif world.scope.shared:
            state = state._replace(shared=entry)
    state = with_worker(state, index, done)
    if world.scope.parts:
        answer = Answer("render", render.content, render.need)
        yield Step(f"{name}'s render ends, its own visitor gets {render.content}", state, answer)
    if _shared(world, worker, judged) and (render.storable or protocol.window_merges):
        answer = Answer("flight", render.content, world.need(state))
        yield Step(f"{name}'s render ends, a visitor who has just come gets version {render.content[0]}", state, answer)
    else:
        yield Step(f"{name}'s render ends", state)


def _shared(world: World, worker: Worker, judged: Verdict) -> bool:
    """Whether a visitor who came after the render began may have its result."""
    protocol = world.protocol
    if not world.scope.merging:
        return False
    if leased(protocol, worker):
        return judged >= Verdict.STALE or not protocol.flight_checked
    return not protocol.unsure_flight_checked


def _look_up(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    name, fetch = NAMES[index], worker.fetch
    if fetch is NO_FETCH:
        if state.shared is not NOTHING:
            yield from _get(world, state, index, worker)
        return
    judged = verdict(world.protocol, worker, fetch.entry)
    if judged == Verdict.UNKNOWN and not fetch.checked:
        entry = server.check(world, state, fetch.entry)
        after = NO_FETCH if entry is None else Fetch(entry, checked=True)
        text = f"{name} knows nothing so old; CHECK says {'no' if entry is None else f'good at {entry.base}'}"
        yield Step(text, with_worker(state, index, worker._replace(fetch=after)))
        return
    yield _arrive(world, state, index, worker, judged)


def _get(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    entry: Entry | None = state.shared
    if world.protocol.server_validates:
        known = server.knows(world, state.clock, worker.pos, worker.tip)
        entry = server.check(world, state, state.shared) if known else None
    if entry is not None:
        fetch = Fetch(entry, checked=world.protocol.server_validates)
        after = with_worker(state, index, worker._replace(fetch=fetch))
        yield Step(f"{NAMES[index]} asks L2, which sends version {entry.content[0]}, base {entry.base}", after)


def _arrive(world: World, state: State, index: int, worker: Worker, judged: Verdict) -> Step:
    """The reply of L2 is there: the same check as for L1, now; and the entry keeps its base."""
    protocol, entry, name = world.protocol, worker.fetch.entry, NAMES[index]
    allowed = leased(protocol, worker) or not protocol.shared_lease
    checked = worker.fetch.checked
    passes = judged >= Verdict.STALE or (checked and not protocol.check_rechecked)
    worker = worker._replace(fetch=NO_FETCH)
    if protocol.fill == "now":
        worker = worker._replace(page=entry._replace(base=worker.pos))
    elif passes:
        worker = worker._replace(page=entry)
    after = with_worker(state, index, tidy(world, worker))
    if not allowed or not passes:
        return Step(f"{name} gets the reply of L2 and does not use it", after)
    answer = Answer("check" if checked else "shared", entry.content, world.need(state))
    return Step(f"{name} answers version {entry.content[0]} from L2", after, answer)


def _check_in_parts(world: World, state: State, index: int, worker: Worker) -> Iterator[Step]:
    """A request thread reads the position, then the map, then raises the base; the follower may come between."""
    if worker.page is NOTHING:
        return
    if worker.glance == ABSENT:
        looked = with_worker(state, index, worker._replace(glance=worker.pos))
        yield Step(f"a request at {NAMES[index]} reads the position {worker.pos}", looked)
        return
    if not worker.passed:
        passes = verdict(world.protocol, worker._replace(pos=worker.glance), worker.page) == Verdict.FRESH
        done = worker._replace(passed=passes, glance=worker.glance if passes else ABSENT)
        yield Step(f"the request at {NAMES[index]} compares with the map", with_worker(state, index, done))
        return
    base = worker.glance if world.protocol.raises_base_to == "before" else worker.pos
    page = worker.page._replace(base=max(base, worker.page.base))
    done = worker._replace(page=page, glance=ABSENT, passed=False)
    yield Step(f"the request at {NAMES[index]} raises the base to {page.base}", with_worker(state, index, done))


def _window_over(state: State, index: int, worker: Worker) -> Iterator[Step]:
    """The settling time has passed: what was committed before it began is in every database."""
    if any(worker.lagging):
        shown = (max(state.shown[0], worker.lagging[0]), max(state.shown[1], worker.lagging[1]))
        after = with_worker(state._replace(shown=shown), index, worker._replace(lagging=(0, 0)))
        yield Step(f"the settling time ends at {NAMES[index]}", after)
