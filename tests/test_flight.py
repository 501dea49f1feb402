"""Flights: who renders, who waits for whom, and that nobody waits for ever."""

from __future__ import annotations

import threading
from math import inf
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.flight import (
    MOST_ALONE,
    MOST_RUNNING,
    NOTHING,
    PATIENCE,
    Flight,
    Flights,
    Follow,
    Landing,
    Lead,
    Turn,
)

if TYPE_CHECKING:
    from cms_cache_mw.flight import Place

PAGE: Place = ((b"https", b"example.org", b"/", b""), ())
GERMAN: Place = (PAGE[0], ((b"accept-language", b"de"),))
LANDED = Landing(Entry(200, (), b"", Freshness(60.0), 0.0, 1, 1, ()))


def led(boarding: Lead | Follow | None) -> Flight:
    """The flight that the asker has to lead."""
    assert isinstance(boarding, Lead)
    return boarding.flight


def followed(boarding: Lead | Follow | None) -> Flight:
    """The flight that the asker waits for."""
    assert isinstance(boarding, Follow)
    return boarding.flight


def test_first_leads_others_follow() -> None:
    """The first asker renders, everybody else waits for that very render, until it has landed."""
    flights = Flights()
    flight = led(flights.board(PAGE, 5.0, leased=True))
    assert flight.begun == 5.0
    assert followed(flights.board(PAGE, 6.0, leased=True)) is flight
    assert followed(flights.board(PAGE, 7.0, leased=True)) is flight
    assert not flight.landing.done()
    flights.leave(flight, LANDED)
    assert flight.landing.result() is LANDED
    assert led(flights.board(PAGE, 8.0, leased=True)) is not flight


def test_places_are_apart() -> None:
    """Another page, or another variant of it, is another flight."""
    flights = Flights()
    assert led(flights.board(PAGE, 0.0, leased=True)) is not led(flights.board(GERMAN, 0.0, leased=True))
    assert flights.open == 2


def test_only_the_first_landing_counts() -> None:
    """A flight that has landed stays as it landed, however often it is left."""
    flights = Flights()
    flight = led(flights.board(PAGE, 0.0, leased=True))
    flights.leave(flight, LANDED)
    flights.leave(flight)
    assert flight.landing.result() is LANDED
    assert flights.open == 0


def test_failed_flight_frees_its_followers() -> None:
    """Left without a word, a flight lands with nothing, and nothing is not the same as not cacheable."""
    flights = Flights()
    flight = led(flights.board(PAGE, 0.0, leased=True))
    flights.leave(flight)
    assert flight.landing.result() == NOTHING
    assert not NOTHING.uncacheable


def test_without_a_lease_a_running_render_is_too_old() -> None:
    """Who cannot prove that no purge came meanwhile waits for a render that begins after the one under way."""
    flights = Flights()
    running = led(flights.board(PAGE, 0.0, leased=False))
    boarding = flights.board(PAGE, 1.0, leased=False)
    assert isinstance(boarding, Lead)
    assert boarding.after is running
    assert boarding.flight.begun == inf
    assert followed(flights.board(PAGE, 2.0, leased=False)) is boarding.flight
    flights.leave(running)
    assert flights.depart(boarding.flight, 3.0)
    assert boarding.flight.begun == 3.0
    later = flights.board(PAGE, 4.0, leased=False)
    assert isinstance(later, Lead)
    assert later.after is boarding.flight
    flights.leave(boarding.flight)
    flights.leave(later.flight)
    assert flights.open == 0


def test_no_third_render_without_a_lease() -> None:
    """A waiting flight cannot depart while two others run, however long they take."""
    flights = Flights()
    first = led(flights.board(PAGE, 0.0, leased=False))
    waiting = led(flights.board(PAGE, 1.0, leased=False))
    second = led(flights.second(PAGE, 3.0))
    assert not flights.depart(waiting, 4.0)
    flights.leave(first)
    assert flights.depart(waiting, 5.0)
    for flight in (waiting, second):
        flights.leave(flight)
    assert flights.open == 0


def test_waiting_leader_who_gives_up() -> None:
    """A flight that never departed lands with nothing, and the next asker may begin another."""
    flights = Flights()
    running = led(flights.board(PAGE, 0.0, leased=False))
    waiting = led(flights.board(PAGE, 1.0, leased=False))
    follower = followed(flights.board(PAGE, 2.0, leased=False))
    flights.leave(waiting)
    assert follower.landing.result() == NOTHING
    assert led(flights.board(PAGE, 3.0, leased=False)) is not waiting
    assert running in [flight for gate in flights._gates.values() for flight in gate.running]


def test_second_flight() -> None:
    """Whoever waits too long begins one more render; the others join it while it is young, and then none."""
    flights = Flights()
    first = led(flights.board(PAGE, 0.0, leased=True))
    second = led(flights.second(PAGE, 3.0))
    assert second is not first
    assert followed(flights.second(PAGE, 4.0)) is second
    assert followed(flights.second(PAGE, 3.0 + PATIENCE - 0.001)) is second
    assert flights.second(PAGE, 3.0 + PATIENCE) is None
    assert flights.open == MOST_RUNNING == 2


def test_second_flight_after_the_first_landed() -> None:
    """Where nothing runs any more, the asker who came too late begins anew."""
    flights = Flights()
    flights.leave(led(flights.board(PAGE, 0.0, leased=True)))
    flights.leave(led(flights.second(PAGE, 3.0)))
    assert flights.open == 0


def test_newcomers_join_the_younger() -> None:
    """With two renders under way, an asker joins the one that began last."""
    flights = Flights()
    flights.board(PAGE, 0.0, leased=True)
    second = led(flights.second(PAGE, 3.0))
    assert followed(flights.board(PAGE, 4.0, leased=True)) is second


def test_eight_at_once() -> None:
    """Beside the flights eight may render alone; the ninth's turn comes when one of them ends."""
    flights = Flights()
    turns = [flights.queue(PAGE) for _ in range(MOST_ALONE + 2)]
    assert [turn.come.done() for turn in turns] == [True] * 8 + [False] * 2
    flights.give_back(turns[3])
    assert turns[8].come.done()
    assert not turns[9].come.done()
    flights.give_back(turns[3])
    assert not turns[9].come.done()
    assert flights.queue(GERMAN).come.done()


def test_leaving_the_queue() -> None:
    """Who gives up waiting for a turn takes nobody's turn away."""
    flights = Flights()
    turns = [flights.queue(PAGE) for _ in range(MOST_ALONE + 2)]
    flights.give_back(turns[8])
    flights.give_back(turns[0])
    assert not turns[8].come.done()
    assert turns[9].come.done()
    for turn in turns:
        flights.give_back(turn)
    assert flights.open == 0


def test_nothing_is_kept() -> None:
    """Once everybody has left there is no trace of a place."""
    flights = Flights()
    flight = led(flights.board(PAGE, 0.0, leased=True))
    turn = flights.queue(PAGE)
    assert flights.open == 2
    flights.leave(flight)
    flights.give_back(turn)
    assert flights._gates == {}


@pytest.mark.parametrize("leased", [True, False])
def test_many_threads(leased: bool) -> None:
    """Askers on many threads: one renders at a time, nobody is left behind, nothing stays open."""
    flights = Flights()
    renders = threading.Semaphore(0)
    rendering = peak = served = 0
    lock = threading.Lock()

    def ask() -> None:
        nonlocal rendering, peak, served
        boarding = flights.board(PAGE, 0.0, leased=leased)
        if isinstance(boarding, Follow):
            boarding.flight.landing.result(timeout=10)
        else:
            if boarding.after:
                boarding.after.landing.result(timeout=10)
                assert flights.depart(boarding.flight, 1.0)
            with lock:
                rendering += 1
                peak = max(peak, rendering)
            renders.acquire(timeout=10)
            with lock:
                rendering -= 1
            flights.leave(boarding.flight, LANDED)
        with lock:
            served += 1

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for _ in threads:
        renders.release()
    for thread in threads:
        thread.join()
    assert served == 40
    assert peak == 1
    assert flights.open == 0


class Traffic(RuleBasedStateMachine):
    """Askers who come, wait, render, fail and go in any order: limits hold and every flight lands."""

    @initialize()
    def begin(self) -> None:
        """Nobody is there."""
        self.flights = Flights()
        self.now = 0.0
        self.running: list[Flight] = []
        self.waiting: list[Flight] = []
        self.followed: list[Flight] = []
        self.turns: list[Turn] = []

    def _boarded(self, boarding: Lead | Follow | None) -> None:
        if isinstance(boarding, Follow):
            assert not boarding.flight.landing.done(), "nobody joins what has landed"
            self.followed.append(boarding.flight)
        elif isinstance(boarding, Lead):
            (self.waiting if boarding.after else self.running).append(boarding.flight)

    @rule(seconds=st.floats(0.1, 5))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(leased=st.booleans(), place=st.sampled_from([PAGE, GERMAN]))
    def board(self, leased: bool, place: Place) -> None:
        """An asker."""
        boarding = self.flights.board(place, self.now, leased=leased)
        if isinstance(boarding, Follow) and not leased:
            assert boarding.flight.begun == inf, "without a lease only a render that has not begun is safe"
        self._boarded(boarding)

    @rule(place=st.sampled_from([PAGE, GERMAN]))
    def second(self, place: Place) -> None:
        """An asker who has waited."""
        self._boarded(self.flights.second(place, self.now))

    @rule(data=st.data())
    def depart(self, data: st.DataObject) -> None:
        """A leader who has waited for the render before."""
        if self.waiting:
            flight = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
            if self.flights.depart(flight, self.now):
                self.running.append(flight)
            else:
                self.flights.leave(flight)

    @rule(data=st.data(), landing=st.sampled_from([NOTHING, LANDED]))
    def leave(self, data: st.DataObject, landing: Landing) -> None:
        """A leader who is done, or has failed, or gives up waiting."""
        leaders = self.running + self.waiting
        if leaders:
            flight = data.draw(st.sampled_from(leaders))
            self.running = [other for other in self.running if other is not flight]
            self.waiting = [other for other in self.waiting if other is not flight]
            self.flights.leave(flight, landing)

    @rule(place=st.sampled_from([PAGE, GERMAN]))
    def queue(self, place: Place) -> None:
        """An asker who has waited twice."""
        self.turns.append(self.flights.queue(place))

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Somebody whose render alone is over, or who gives up waiting for it."""
        if self.turns:
            self.flights.give_back(self.turns.pop(data.draw(st.integers(0, len(self.turns) - 1))))

    @invariant()
    def limits_hold(self) -> None:
        """Never more than two flights of a place run, never more than eight renders beside them, and no turn is forgotten."""
        for place in (PAGE, GERMAN):
            assert sum(flight.place == place for flight in self.running) <= MOST_RUNNING
            mine = [turn for turn in self.turns if turn.place == place]
            come = sum(turn.come.done() for turn in mine)
            assert come <= MOST_ALONE
            assert come == MOST_ALONE or come == len(mine)
        assert self.flights.open == len(self.running) + len(self.waiting) + len(self.turns)

    def teardown(self) -> None:
        """When everybody has gone, every follower knows, and nothing is left."""
        for flight in self.running + self.waiting:
            self.flights.leave(flight)
        for turn in self.turns:
            self.flights.give_back(turn)
        assert all(flight.landing.done() for flight in self.followed)
        assert self.flights._gates == {}


Traffic.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestTraffic = Traffic.TestCase
