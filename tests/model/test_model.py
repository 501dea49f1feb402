"""The purge protocol keeps its promise in every history of the model, and every mistake in it is found."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from . import timing
from .__main__ import main
from .follower import FRESH_WORKER
from .invariants import broken_invariant, shrinks
from .mistakes import BROKEN
from .report import history, scope_row, surprises, variant_row
from .scopes import SCOPES, SMALL
from .search import Findings, InvariantError, beginning, broken, representative, search, successors
from .state import ABSENT, Answer, Entry, Phase, Reply, State, with_worker
from .variants import LIMITS, SOUND, Variant
from .world import Protocol, Scope, World

PAGE = (Path(__file__).parents[2] / "docs" / "consistency.md").read_text(encoding="utf-8")
ROWS = set(PAGE.splitlines())
VARIANTS = [variant for variant in (*BROKEN, *LIMITS, *SOUND) if variant.steps or not SCOPES[variant.scope].large]

found = cache(search)


def name_of(case: Scope | Variant) -> str:
    """The name of a test's case."""
    return case.name


@pytest.mark.parametrize("scope", SMALL, ids=name_of)
def test_no_visitor_gets_what_a_purge_has_ended(scope: Scope) -> None:
    """No history breaks the promise or an invariant, and each kind of answer really occurs after a 200."""
    assert surprises(scope, found(World(scope))) == []


@pytest.mark.parametrize("variant", VARIANTS, ids=name_of)
def test_each_change_of_the_protocol_has_the_effect_it_is_known_for(variant: Variant) -> None:
    """A mistake has its shortest counterexample, a sound alternative none, and a useless one never gets anywhere."""
    assert surprises(SCOPES[variant.scope], found(variant.world), variant) == []


@pytest.mark.parametrize("scope", SMALL, ids=name_of)
def test_the_documentation_shows_what_the_search_of_a_scope_finds(scope: Scope) -> None:
    """The row of the table in docs/consistency.md is the program's."""
    assert scope_row(scope, found(World(scope))) in ROWS


@pytest.mark.parametrize("variant", VARIANTS, ids=name_of)
def test_the_documentation_shows_what_a_variant_leads_to(variant: Variant) -> None:
    """The row of the table in docs/consistency.md is the program's."""
    assert variant_row(variant, found(variant.world)) in ROWS


@pytest.mark.parametrize("name", ["v-pubsub-no-lease", "v-grant-while-behind"])
def test_the_counterexamples_of_the_documentation_are_those_of_the_program(name: str) -> None:
    """A history is printed in docs/consistency.md as the program prints it."""
    variant = next(variant for variant in BROKEN if variant.name == name)
    assert "\n".join(history(found(variant.world))) in PAGE


def test_every_switch_of_the_protocol_is_turned_by_a_variant() -> None:
    """No switch is left that no search shows to matter."""
    right = vars(Protocol())
    turned = {
        name for variant in (*BROKEN, *LIMITS, *SOUND) for name in right if vars(variant.protocol)[name] != right[name]
    }
    assert turned == set(right)


def test_a_promise_is_broken_by_an_old_version_only() -> None:
    """What does not depend on a tag may be as old as it likes."""
    assert broken(Answer("memory", (0, ABSENT), (1, 1)))
    assert not broken(Answer("memory", (1, ABSENT), (1, 1)))
    assert broken(Answer("render", (1, 0), (1, 1)))
    assert not broken(Answer("memory", (0, ABSENT), (0, 1)))


def test_a_wait_outlasts_the_leases_that_were_asked_for_before_it() -> None:
    """The held one and the one on its way end with the wait; one that is asked for later does not."""
    world = World(SCOPES["one-edit"])
    state = beginning(world.scope)
    on_its_way = FRESH_WORKER._replace(epoch=1, reply=Reply(under_way=True, records=(), lease=0))
    state = with_worker(state, 0, FRESH_WORKER._replace(epoch=1, lease=0))
    state = timing.begin(with_worker(state, 1, on_its_way), 1)
    later = timing.end(world, state, 1)
    assert [worker.lease for worker in later.workers] == [ABSENT, ABSENT]
    assert not later.workers[1].reply.under_way
    renewed = timing.end(world, with_worker(state, 0, FRESH_WORKER._replace(epoch=1, lease=0)), 1)
    assert renewed.workers[0].lease == 0


def test_states_that_differ_in_names_only_are_one() -> None:
    """Workers change names together with their places in the registry."""
    world = World(SCOPES["one-edit"])
    state = beginning(world.scope)
    worker = state.workers[0]._replace(page=Entry(1, 0, (0, ABSENT)))
    acks = state.clock.acks
    left = with_worker(state, 0, worker)._replace(clock=state.clock._replace(acks=(0, *acks[1:])))
    right = with_worker(state, 1, worker)._replace(clock=state.clock._replace(acks=(acks[0], 0, acks[2])))
    assert left != right
    assert representative(world, left) == representative(world, right)
    assert not World(SCOPES["unrelated"]).scope.symmetric


def test_symmetry_changes_the_number_of_states_and_nothing_else() -> None:
    """The same kinds of answers occur with and without it, and no promise is broken either way."""
    plain = search(World(replace(SCOPES["one-edit"], readers=(1, 0))))
    reduced = found(World(SCOPES["one-edit"]))
    assert plain.counterexample == []
    assert plain.sights.keys() == reduced.sights.keys()
    assert reduced.states < plain.states <= 2 * reduced.states


def _first(world: World, state: State, text: str) -> State:
    return next(step.state for step in successors(world, state) if text in step.text)


def test_the_invariants_notice_what_they_are_for() -> None:
    """A lease that hides an acknowledged purge, an acknowledgement of what was not applied, a position that falls."""
    world = World(SCOPES["one-edit"])
    leased = _first(world, _first(world, beginning(world.scope), "A renews"), "A gets the reply")
    recorded = _first(world, leased, "recorded")
    assert broken_invariant(world, recorded) is None
    done = recorded.purges[0]._replace(phase=Phase.ACKNOWLEDGED)
    assert "I1" in str(broken_invariant(world, recorded._replace(purges=(done,))))
    ahead = recorded.clock._replace(acks=(1, *recorded.clock.acks[1:]))
    assert "I2" in str(broken_invariant(world, recorded._replace(clock=ahead)))
    alone = recorded.clock._replace(acks=(ABSENT,) * 3)
    assert "I5" in str(broken_invariant(world, recorded._replace(clock=alone)))
    render = _first(world, recorded, "A renders")
    early = render.workers[0]._replace(render=render.workers[0].render._replace(base=1))
    assert "I4" in str(broken_invariant(world, with_worker(render, 0, early)))
    applied = _first(world, recorded, "A hears")
    assert shrinks(applied, recorded)
    assert not shrinks(recorded, applied)


@pytest.mark.parametrize(
    ("name", "invariant"),
    [
        ("v-lease-from-reply", "I1"),
        ("v-wait-from-call", "I1"),
        ("v-ack-before-apply", "I2"),
        ("v-prune-no-floor", "I2"),
        ("v-grant-while-behind", "I5"),
        ("v-fork-inherits", "I5"),
        ("v-no-epoch-restart", "I6"),
    ],
)
def test_a_mistake_breaks_an_invariant_before_it_breaks_the_promise(name: str, invariant: str) -> None:
    """A strict search stops where the reason is, not where a visitor suffers from it."""
    variant = next(variant for variant in BROKEN if variant.name == name)
    with pytest.raises(InvariantError, match=invariant):
        search(variant.world, strict=True)


def test_a_search_that_sees_nothing_is_reported() -> None:
    """A scope in which nothing is answered after a 200 proves nothing."""
    scope = SCOPES["one-worker"]
    assert surprises(scope, Findings()) == [
        f"'{sight}' was never seen: the search proves nothing" for sight in scope.sights
    ]


def test_the_command_prints_a_history_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tests.model NAME` shows one search."""
    assert main(["v-pubsub-no-lease"]) == 0
    assert "  4. A's render ends, a visitor who has just come gets version 0" in capsys.readouterr().out


def test_the_command_names_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name ends with the list of known ones."""
    with pytest.raises(SystemExit):
        main(["v-nonsense"])
    assert "no such scope or variant: v-nonsense" in capsys.readouterr().err
