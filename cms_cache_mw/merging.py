"""Waiting for somebody else's render, within limits: what comes of it, or the permission to render oneself.

The first asker gets the permission at once, the others wait. After three seconds they start one second flight together; after
three more each renders alone, at most eight at once (purge-protocol 2.9). Whoever holds a permission lands it in the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from cms_cache_mw.core.value import Value
from cms_cache_mw.flight import NOTHING, PATIENCE, Flights, Follow, Landing, Lead, Turn
from cms_cache_mw.switching.flags import Flags

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.flight import Flight, Place
    from cms_cache_mw.purge.clock import Clock
    from cms_cache_mw.runtime import Runtime

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LOOK: Final = 0.25
"""Seconds between looks at what others have brought, while waiting for a turn."""


class Permit(Value, frozen=True):
    """Leave to render; `land` is to be told once what came of it, whatever happens."""

    land: Callable[[Landing], None]


def _nobody(_: Landing) -> None:
    """Nobody waits for a render that was not begun for others."""


ALONE: Final = Permit(_nobody)
"""A render for oneself, beside all flights."""


class Again(Value, frozen=True):
    """The flight brought nothing for this asker, who may join the next."""


AGAIN: Final = Again()


class Asker(Protocol[T_co]):
    """Somebody who wants a render or its result."""

    def place(self) -> Place:
        """Where those meet who may share; it can change while waiting, once it is known what answers vary by."""
        ...

    def delivered(self, flight: Flight) -> T_co | Again | Permit:
        """What a landed flight brought: a result, nothing (`AGAIN`), or the insight that waiting is no use (`ALONE`)."""
        ...

    def held(self) -> T_co | None:
        """A result that can be had without waiting."""
        ...


@dataclass(frozen=True)
class Merging(Generic[T]):
    """How askers of one process wait for each other."""

    flights: Flights
    runtime: Runtime
    clock: Clock
    now: Callable[[], float]
    flags: Flags = field(default_factory=Flags)

    async def admitted(self, asker: Asker[T]) -> T | Permit:
        """A result that somebody else rendered, or leave to render."""
        if not self.flags.coalescing:
            return ALONE
        boarding: Lead | Follow | None = self._board(asker)
        late = False
        while isinstance(boarding, Follow):
            flight = boarding.flight
            if await self.runtime.wait(flight.landing, PATIENCE):
                delivered = asker.delivered(flight)
                if not isinstance(delivered, Again):
                    return delivered
                boarding = self._board(asker)
            elif late:
                boarding = None
            else:
                late, boarding = True, self.flights.second(flight.place, self.now())
        return await (self._lead(asker, boarding) if boarding else self._turn(asker))

    def _board(self, asker: Asker[T]) -> Lead | Follow:
        now = self.now()
        return self.flights.board(asker.place(), now, leased=self.clock.holds(now))

    async def _lead(self, asker: Asker[T], lead: Lead) -> T | Permit:
        flight = lead.flight
        if lead.after:
            try:
                await self.runtime.wait(lead.after.landing, PATIENCE)
            except BaseException:
                self.flights.leave(flight)
                raise
            if not self.flights.depart(flight, self.now()):
                self.flights.leave(flight)
                return await self._turn(asker)
        return Permit(partial(self.flights.leave, flight))

    async def _turn(self, asker: Asker[T]) -> T | Permit:
        turn = self.flights.queue(asker.place())
        try:
            while not await self.runtime.wait(turn.come, LOOK):
                if (result := asker.held()) is not None:
                    self.flights.give_back(turn)
                    return result
        except BaseException:
            self.flights.give_back(turn)
            raise
        return Permit(partial(_return, self.flights, turn))


def _return(flights: Flights, turn: Turn, _: Landing = NOTHING) -> None:
    flights.give_back(turn)
