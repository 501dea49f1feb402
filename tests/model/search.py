"""Breadth-first search over everything that may happen, in any order; the first broken promise has the shortest history."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from .check import Verdict, verdict
from .faults import break_something
from .follower import FRESH_WORKER, NAMES, OUTSIDE, follow
from .parts import compose
from .purger import purge
from .requests import memory_answers, request
from .server import empty
from .state import NOTHING, PLANNED_PURGE, Clock, State, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import Answer, Worker
    from .world import Scope, World


@dataclass(slots=True)
class Findings:
    """What a search saw: how much, what was answered after a purge was acknowledged, and the history that broke the promise."""

    states: int = 0
    steps: int = 0
    depth: int = 0
    sights: Counter[str] = field(default_factory=Counter)
    counterexample: list[str] | None = None


def beginning(scope: Scope) -> State:
    """Workers have joined the first epoch and know nothing else; nobody is registered and nobody has a lease."""
    places = scope.workers + 1
    clock = empty(1, 1, places, settled=True)
    worker = FRESH_WORKER._replace(epoch=1)
    workers = tuple(FRESH_WORKER if index in scope.newcomers else worker for index in range(scope.workers))
    if "fork" in scope.faults:
        workers = (worker, FRESH_WORKER._replace(epoch=OUTSIDE, following=False))
    replica = clock if {"failover", "split"} & set(scope.faults) else empty(0, 0, places, settled=True)
    return State(
        clock=clock, replica=replica, identity=1, old=empty(0, 0, places, settled=True), old_identity=0, old_side=(), epochs=1,
        shared=NOTHING, workers=workers, purges=(PLANNED_PURGE,) * len(scope.plans), edits=(0, 0), shown=(0, 0),
        faults=scope.max_faults,
    )  # fmt: skip


def successors(world: World, state: State) -> Iterator[Step]:
    """Everything that may happen next."""
    return chain(
        follow(world, state),
        purge(world, state),
        request(world, state),
        compose(world, state),
        break_something(world, state),
    )


def search(world: World, *, limit: int | None = None) -> Findings:
    """Visit every state that can be reached, or stop at the first answer that breaks the promise."""
    first = beginning(world.scope)
    before: dict[State, State | None] = {first: None}
    findings, level = Findings(), [first]
    while level and (limit is None or len(before) <= limit):
        following: list[State] = []
        for state in level:
            if _visit(world, state, findings, before, following):
                findings.states = len(before)
                findings.counterexample = _history(world, before, state)
                return findings
        findings.depth += 1
        level = following
    findings.states = len(before)
    return findings


def _visit(
    world: World, state: State, findings: Findings, before: dict[State, State | None], following: list[State]
) -> bool:
    """Look at one state and all that may follow it; whether one of the answers broke the promise."""
    for index, answer in memory_answers(world, state):
        if broken(answer):
            return True
        _see(world, state.workers[index], answer, findings)
    for step in successors(world, state):
        findings.steps += 1
        if step.answer is not None:
            if broken(step.answer):
                return True
            _count(step.answer, findings)
        after = _representative(world, step.state)
        if after not in before:
            before[after] = state
            following.append(after)
    return False


def broken(answer: Answer) -> bool:
    """The property, denied: who came after a purge was acknowledged got what was rendered before it."""
    return any(0 <= version < need for version, need in zip(answer.content, answer.need, strict=True))


def _count(answer: Answer, findings: Findings) -> None:
    if any(version >= need > 0 for version, need in zip(answer.content, answer.need, strict=True)):
        findings.sights[answer.source] += 1


def _see(world: World, worker: Worker, answer: Answer, findings: Findings) -> None:
    """Note what kind of hit this was."""
    _count(answer, findings)
    part_fits = verdict(world.protocol, worker, worker.part) == Verdict.FRESH
    if answer.need[0] and part_fits and worker.part.base < worker.hard[0]:
        findings.sights["page newer than its part"] += 1
    if verdict(world.protocol, worker, worker.page) == Verdict.STALE:
        findings.sights["stale within its grace"] += 1


def _shown(answer: Answer) -> str:
    return str(answer.content[0] if answer.content[1] < 0 else answer.content)


def _representative(world: World, state: State) -> State:
    """One state for those that differ only in the names of the workers."""
    if not world.scope.symmetric:
        return state
    left, right = state.workers
    if (left, state.clock.acks[0], state.clock.grants[0]) <= (right, state.clock.acks[1], state.clock.grants[1]):
        return state
    return _renamed(state)


def _renamed(state: State) -> State:
    left, right = state.workers
    return state._replace(workers=(right, left), clock=_swapped(state.clock), replica=_swapped(state.replica))


def _swapped(clock: Clock) -> Clock:
    acks, grants = clock.acks, clock.grants
    return clock._replace(acks=(acks[1], acks[0], *acks[2:]), grants=(grants[1], grants[0], *grants[2:]))


def _history(world: World, before: dict[State, State | None], last: State) -> list[str]:
    """The steps to the broken promise, told again from the beginning, with the workers keeping their names."""
    path = [last]
    while (earlier := before[path[-1]]) is not None:
        path.append(earlier)
    state, texts = path.pop(), []
    while path:
        target = path.pop()
        step = next(one for one in successors(world, state) if _representative(world, one.state) == target)
        texts.append(step.text)
        state = step.state
    for index, answer in memory_answers(world, state):
        if broken(answer):
            return [*texts, f"a visitor comes to {NAMES[index]} and gets version {_shown(answer)} from L1"]
    return [*texts, next(one.text for one in successors(world, state) if one.answer and broken(one.answer))]
