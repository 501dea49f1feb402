"""Purges that wait to be recorded: which share a ticket, and how many they may become."""

from __future__ import annotations

import pytest

from cms_cache_mw.purge.ledger import Motive
from cms_cache_mw.purge.ticket import MAX_PENDING, SHOWN, Ticket, Unrecorded, promise

EVERYTHING = 1


@pytest.fixture
def unrecorded() -> Unrecorded:
    """An empty queue."""
    return Unrecorded(EVERYTHING)


def test_same_kind_shares_a_ticket(unrecorded: Unrecorded) -> None:
    """Calls of one kind and grace go together; the wait counts from the first."""
    first = unrecorded.add({1, 2}, "hard", 0.0, ["a"], now=10.0)
    second = unrecorded.add({2, 3}, "hard", 0.0, ["b"], now=11.0)
    assert second is first
    assert first.prints == {1, 2, 3}
    assert first.names == {"a", "b"}
    assert first.began == 10.0
    assert len(unrecorded) == 1


def test_other_kinds_do_not(unrecorded: Unrecorded) -> None:
    """Hard and soft purges, and soft ones of different grace, are recorded one by one, in the order of their calls."""
    calls = [("hard", 0.0), ("soft", 1.0), ("soft", 2.0), ("noop", 0.0)]
    tickets = [unrecorded.add({1}, kind, grace, (), now=0.0) for kind, grace in calls]  # type: ignore[arg-type]
    assert len(set(tickets)) == 4
    assert [unrecorded.take() for _ in calls] == tickets


def test_taken_ticket_takes_nobody_along(unrecorded: Unrecorded) -> None:
    """What is on its way to Redis does not grow any more; given back it does, and stays first."""
    first = unrecorded.add({1}, "hard", 0.0, (), now=0.0)
    assert unrecorded.take() is first
    second = unrecorded.add({2}, "hard", 0.0, (), now=0.0)
    assert second is not first
    unrecorded.give_back(first)
    assert unrecorded.add({3}, "hard", 0.0, (), now=0.0) is first
    assert unrecorded.take() is first


def test_faulty_ticket_lets_others_pass(unrecorded: Unrecorded) -> None:
    """What failed by a fault goes to the end of the queue, and trials are not counted among the purges."""
    first = unrecorded.add({1}, "hard", 0.0, (), now=0.0)
    assert unrecorded.take() is first
    second = unrecorded.add((), "noop", 0.0, (), now=0.0)
    unrecorded.give_back(first, first=False)
    assert (len(unrecorded), unrecorded.purges) == (2, 1)
    assert unrecorded.take() is second


def test_recorded_before_takes_nobody_along(unrecorded: Unrecorded) -> None:
    """Who is recorded for a second time has told its callers a number already: others would be told that number too."""
    lost = Ticket({1}, epoch=7, seq=9)
    unrecorded.repeat([lost])
    assert unrecorded.add({2}, "hard", 0.0, (), now=0.0) is not lost


def test_crowd_is_spread(unrecorded: Unrecorded) -> None:
    """While Redis answers, what is too much for one ticket goes into the next."""
    first = unrecorded.add(range(MAX_PENDING - 1), "hard", 0.0, (), now=0.0)
    assert unrecorded.add(range(50_000, 50_001), "hard", 0.0, (), now=0.0) is first
    second = unrecorded.add(range(60_000, 60_001), "hard", 0.0, (), now=0.0)
    assert second is not first
    assert EVERYTHING not in second.prints
    assert len(first.prints) == MAX_PENDING


def test_crowd_in_trouble_becomes_everything(unrecorded: Unrecorded) -> None:
    """While Redis is away tickets grow together, and past their limit are a purge of everything."""
    first = unrecorded.add(range(100, MAX_PENDING + 100), "hard", 0.0, (), now=0.0)
    first.trouble = "away"
    assert unrecorded.add({5}, "hard", 0.0, (), now=0.0) is first
    assert first.prints == {EVERYTHING}
    unrecorded.add({6}, "hard", 0.0, (), now=0.0)
    assert first.prints == {EVERYTHING, 6}
    assert len(unrecorded) == 1


def test_too_large_a_purge_is_everything(unrecorded: Unrecorded) -> None:
    """A single call with more than the limit is a purge of everything."""
    assert unrecorded.add(range(MAX_PENDING + 1), "hard", 0.0, (), now=0.0).prints == {EVERYTHING}


def test_nothing_is_known_of_a_purge_before_it_is_recorded() -> None:
    """A purge that Redis has not recorded has no number, and nobody's word proves that it is done."""
    ticket = Ticket({1})
    assert (ticket.kind, ticket.epoch, ticket.seq, ticket.settled, ticket.trouble) == ("hard", 0, 0, False, "")


def test_is_named_for_people(unrecorded: Unrecorded) -> None:
    """The list of what waits gives names where they are known, fingerprints elsewhere, and is cut."""
    assert unrecorded.named() == (0, "")
    unrecorded.add({0xAB}, "soft", 0.0, (), now=0.0)
    unrecorded.add({2}, "hard", 0.0, ["page:2", "block:1"], now=0.0)
    assert unrecorded.named() == (3, "00000000000000ab, block:1, page:2")
    unrecorded.add({3}, "noop", 0.0, [f"x{number}" for number in range(30)], now=0.0)
    count, text = unrecorded.named()
    assert count == 33
    assert text.endswith(", …")
    assert text.count(",") == 20


def test_ticket_tells_its_time() -> None:
    """A ticket that is done says how long that took, and has no trouble left."""
    ticket = Ticket({1}, began=10.0, trouble="away", waiting_for=("w",))
    ticket.finish(12.5)
    assert ticket.done.result(0)
    assert ticket.waited == 2.5
    assert (ticket.trouble, ticket.waiting_for) == ("", ())


def test_promise_is_kept() -> None:
    """Nobody who waits can cancel what others wait for too."""
    future = promise()
    assert not future.cancel()
    future.set_result(True)
    assert future.result(0)


def test_motives_are_kept_while_they_are_few(unrecorded: Unrecorded) -> None:
    """Who purged and why goes with the ticket; of many calls that share one the first are told."""
    motives = [Motive(who=f"editor {number}") for number in range(SHOWN + 1)]
    tickets = [unrecorded.add({1}, "hard", 0.0, ["a"], now=1.0, motive=motive) for motive in motives]
    assert unrecorded.add({1}, "hard", 0.0, ["a"], now=1.0) is tickets[0] is tickets[-1]
    assert tickets[0].motives == motives[:-1]


def test_purges_are_counted_without_trials(unrecorded: Unrecorded) -> None:
    """Of those that wait the ones that somebody asked for count; twenty targets are named in full."""
    unrecorded.add((), "noop", 0.0, (), now=0.0)
    for grace in (1.0, 2.0):
        unrecorded.add({1}, "soft", grace, [f"{grace}-{number}" for number in range(SHOWN // 2)], now=0.0)
    assert (len(unrecorded), unrecorded.purges) == (3, 2)
    count, text = unrecorded.named()
    assert (count, text.count(","), text[-1]) == (SHOWN, SHOWN - 1, "9")
