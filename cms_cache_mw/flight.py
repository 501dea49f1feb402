"""One render for many askers.

A flight is one thread-safe future that coroutines and threads join alike. It is landed by its leader, in a `finally`, with an
entry that may be shared or with none. Who may take what it lands is not decided here but at the moment of delivery, by the
purge clock; without a lease only a flight that began after its passenger arrived is safe (purge-protocol 2.9).
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry, Key, Variant

Place: TypeAlias = "tuple[Key, Variant]"

PATIENCE: Final = 3.0
"""Seconds that followers wait before a second flight starts, and again before each renders alone."""
MOST_RUNNING: Final = 2
MOST_ALONE: Final = 8
"""Renders beside the flights that one key may have at once."""


class Landing(Value, frozen=True):
    """What a flight ended with; no entry where it failed or where its answer may not be shared."""

    entry: Entry | None = None
    shared: bool = False
    """Whether the entry came from Redis."""
    uncacheable: bool = False
    """Whether the answer was complete but is nobody else's business: the others need not wait for each other."""


NOTHING: Final = Landing()


@dataclass(eq=False, slots=True)
class Flight:
    """A render on its way, or one that waits for another to end."""

    place: Place
    begun: float = inf
    """When its render began; infinite before."""
    landing: Future[Landing] = field(default_factory=Future)

    def land(self, landing: Landing = NOTHING) -> None:
        """End the flight; only the first landing counts."""
        if not self.landing.done():
            self.landing.set_result(landing)


@dataclass(eq=False, slots=True)
class Turn:
    """Somebody's turn to render beside the flights."""

    place: Place
    come: Future[bool] = field(default_factory=Future)
    over: bool = False


@dataclass(slots=True)
class _Gate:
    running: list[Flight] = field(default_factory=list)
    waiting: Flight | None = None
    alone: int = 0
    queue: deque[Turn] = field(default_factory=deque)


class Lead(Value, frozen=True):
    """The caller has to render, and to `leave` the flight when it is over."""

    flight: Flight
    after: Flight | None = None
    """A flight that has to land first."""


class Follow(Value, frozen=True):
    """The caller waits for this flight."""

    flight: Flight


class Flights:
    """All flights of a process, at most two running for each place."""

    def __init__(self) -> None:
        self._gates: dict[Place, _Gate] = {}
        self._lock = threading.Lock()

    def board(self, place: Place, now: float, *, leased: bool) -> Lead | Follow:
        """Join the flight for a place or begin one. Without a lease a render that runs already is too old to join."""
        with self._lock:
            gate = self._gates.setdefault(place, _Gate())
            if not gate.running:
                return Lead(self._begin(gate, place, now))
            if leased:
                return Follow(gate.running[-1])
            if gate.waiting:
                return Follow(gate.waiting)
            gate.waiting = Flight(place)
            return Lead(gate.waiting, after=gate.running[0])

    def depart(self, flight: Flight, now: float) -> bool:
        """Begin a flight that waited for another; false where two others still run."""
        with self._lock:
            gate = self._gates.setdefault(flight.place, _Gate())
            if len(gate.running) >= MOST_RUNNING:
                return False
            if gate.waiting is flight:
                gate.waiting = None
            flight.begun = now
            gate.running.append(flight)
            return True

    def second(self, place: Place, now: float) -> Lead | Follow | None:
        """A second flight beside one that takes long, or the one that has begun; `None` where there can be no more."""
        with self._lock:
            gate = self._gates.setdefault(place, _Gate())
            if len(gate.running) < MOST_RUNNING:
                return Lead(self._begin(gate, place, now))
            latest = gate.running[-1]
            return Follow(latest) if now - latest.begun < PATIENCE else None

    def leave(self, flight: Flight, landing: Landing = NOTHING) -> None:
        """Land a flight, whatever happened to it, and let the next one go."""
        with self._lock:
            gate = self._gates.get(flight.place)
            if gate:
                if flight in gate.running:
                    gate.running.remove(flight)
                if gate.waiting is flight:
                    gate.waiting = None
                self._tidy(flight.place, gate)
        flight.land(landing)

    def queue(self, place: Place) -> Turn:
        """A turn to render alone; it has come at once unless eight others of this place do so already."""
        turn = Turn(place)
        with self._lock:
            gate = self._gates.setdefault(place, _Gate())
            if gate.alone < MOST_ALONE:
                gate.alone += 1
                turn.come.set_result(True)
            else:
                gate.queue.append(turn)
        return turn

    def give_back(self, turn: Turn) -> None:
        """End a turn, or a wait for one; once is enough."""
        with self._lock:
            if turn.over:
                return
            turn.over = True
            gate = self._gates[turn.place]
            if not turn.come.done():
                gate.queue.remove(turn)
            elif gate.queue:
                gate.queue.popleft().come.set_result(True)
            else:
                gate.alone -= 1
            self._tidy(turn.place, gate)

    @property
    def open(self) -> int:
        """Flights under way, and renders beside them."""
        with self._lock:
            return sum(len(g.running) + (g.waiting is not None) + g.alone + len(g.queue) for g in self._gates.values())

    @staticmethod
    def _begin(gate: _Gate, place: Place, now: float) -> Flight:
        flight = Flight(place, begun=now)
        gate.running.append(flight)
        return flight

    def _tidy(self, place: Place, gate: _Gate) -> None:
        if not (gate.running or gate.waiting or gate.alone or gate.queue):
            del self._gates[place]
