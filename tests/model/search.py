"""Breadth-first search over everything that may happen, in any order.

Breadth first, so that the first answer that breaks the promise ends one of the shortest histories that do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from .check import Verdict, verdict
from .faults import break_something
from .follower import FRESH_WORKER, NAMES, OUTSIDE, follow
from .invariants import broken_invariant, shrinks
from .parts import compose
from .purger import purge
from .requests import memory_answers, request
from .server import empty
from .state import ABSENT, NOTHING, PLANNED_PURGE, Clock, Entry, State, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import Answer, Worker
    from .world import Scope, World


class InvariantError(AssertionError):
    """An invariant of the right protocol does not hold."""


@dataclass(slots=True)
class Findings:
    """What a search saw. `sights` counts the answers given after an acknowledgement, by where they came from."""

    states: int = 0
    steps: int = 0
    depth: int = 0
    sights: Counter[str] = field(default_factory=Counter)
    counterexample: list[str] = field(default_factory=list)


def beginning(scope: Scope) -> State:
    """Workers have joined the first epoch and know nothing else; nobody is registered and nobody has a lease."""
    places = scope.workers + 1
    clock, none = empty(1, 1, places, settled=True), empty(0, 0, places, settled=True)
    workers = [
        FRESH_WORKER if index in scope.newcomers else FRESH_WORKER._replace(epoch=1) for index in range(scope.workers)
    ]
    if "fork" in scope.faults:
        workers[1] = FRESH_WORKER._replace(epoch=OUTSIDE, following=False)
    return State(
        clock=clock, replica=clock if scope.replicated else none, identity=1, old=none, old_identity=0, old_side=(),
        epochs=1, shared=Entry(1, 0, (0, ABSENT)) if scope.warm else NOTHING, workers=tuple(workers), purges=(PLANNED_PURGE,) * len(scope.plans),
        edits=(0, 0), shown=(0, 0), faults=scope.max_faults,
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


def broken(answer: Answer) -> bool:
    """The property, denied: who came after a purge was acknowledged got what was rendered before it."""
    return any(0 <= version < need for version, need in zip(answer.content, answer.need, strict=True))


def search(world: World, *, strict: bool = False) -> Findings:
    """Visit every state that can be reached, or stop at the first answer that breaks the promise.

    The invariants are checked for the product's protocol, and for any other if the search is to be strict.
    """
    return _Search(world, strict=strict or world.right).run()


class _Search:
    """One search: the states seen so far, each with the one that it was reached from."""

    def __init__(self, world: World, *, strict: bool) -> None:
        self.world = world
        self.strict = strict
        self.before: dict[State, State | None] = {}
        self.findings = Findings()

    def run(self) -> Findings:
        first = beginning(self.world.scope)
        self.before[first] = None
        level = [first]
        while level:
            following: list[State] = []
            for state in level:
                if self.visit(state, following):
                    self.findings.counterexample = self.history(state)
                    level = following = []
                    break
            self.findings.depth += bool(following)
            level = following
        self.findings.states = len(self.before)
        return self.findings

    def visit(self, state: State, following: list[State]) -> bool:
        """Look at one state and all that may follow it; whether one of the answers broke the promise."""
        world, strict = self.world, self.strict
        if strict and (invariant := broken_invariant(world, state)):
            raise InvariantError(f"{invariant}, at {state}")
        for index, answer in memory_answers(world, state):
            if broken(answer):
                return True
            self.see(state.workers[index], answer)
        for step in successors(world, state):
            self.findings.steps += 1
            if step.answer is not None:
                if broken(step.answer):
                    return True
                self.count(step.answer)
            if strict and shrinks(state, step.state):
                raise InvariantError(f"I6: positions only grow, but {step.text} at {state}")
            after = representative(world, step.state)
            if after not in self.before:
                self.before[after] = state
                following.append(after)
        return False

    def count(self, answer: Answer) -> None:
        if any(version >= need > 0 for version, need in zip(answer.content, answer.need, strict=True)):
            self.findings.sights[answer.source] += 1

    def see(self, worker: Worker, answer: Answer) -> None:
        """Count a hit in memory, and note what is special about it."""
        self.count(answer)
        part_fits = verdict(self.world.protocol, worker, worker.part) == Verdict.FRESH
        if answer.need[0] and part_fits and worker.part.base < worker.hard[0]:
            self.findings.sights["page newer than its part"] += 1
        if verdict(self.world.protocol, worker, worker.page) == Verdict.STALE:
            self.findings.sights["stale within its grace"] += 1

    def history(self, last: State) -> list[str]:
        """The steps to the broken promise, told again from the beginning, with the workers keeping their names."""
        path = [last]
        while (earlier := self.before[path[-1]]) is not None:
            path.append(earlier)
        state, texts = path.pop(), []
        while path:
            target = path.pop()
            steps = successors(self.world, state)
            step = next(one for one in steps if representative(self.world, one.state) == target)
            texts.append(step.text)
            state = step.state
        return [*texts, self.last_words(state)]

    def last_words(self, state: State) -> str:
        """The step that breaks the promise."""
        for index, answer in memory_answers(self.world, state):
            if broken(answer):
                page, other = answer.content
                shown = page if other < 0 else answer.content
                return f"a visitor comes to {NAMES[index]} and gets version {shown} from L1"
        return next(one.text for one in successors(self.world, state) if one.answer and broken(one.answer))


def representative(world: World, state: State) -> State:
    """One state for those that differ only in the names of the workers."""
    if not world.scope.symmetric:
        return state
    left, right = state.workers
    if (left, state.clock.acks[0], state.clock.grants[0]) <= (right, state.clock.acks[1], state.clock.grants[1]):
        return state
    return state._replace(workers=(right, left), clock=_swapped(state.clock), replica=_swapped(state.replica))


def _swapped(clock: Clock) -> Clock:
    acks, grants = clock.acks, clock.grants
    return clock._replace(acks=(acks[1], acks[0], *acks[2:]), grants=(grants[1], grants[0], *grants[2:]))
