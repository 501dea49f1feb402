"""The purge log for people: what its lines say, and the accounts that are put together from them."""

from __future__ import annotations

import json

import msgspec
import pytest

from cms_cache_mw.purge.ledger import (
    LONGEST,
    SHOWN,
    Motive,
    Row,
    accounts,
    begun,
    ended,
    instant,
    named,
    rows,
    seen,
)
from cms_cache_mw.purge.ticket import Ticket

EPOCH = f"{0xE:016x}"


def told(*lines: tuple[int, str, bytes], epoch: str = EPOCH, done: int = 0, **where: bool) -> list[dict[str, object]]:
    """The accounts of lines, as they are shown."""
    found: list[dict[str, object]] = msgspec.to_builtins(accounts(lines, epoch=epoch, done=done, **where))
    return found


def purged(seq: int, ms: int = 0, **options: object) -> Row:
    """The first line of a purge."""
    ticket = Ticket({1}, names={"page:1"}, **options)  # type: ignore[arg-type]
    return ms, named(0xE, seq), begun(ticket)


class TestBegun:
    """The line that a purge begins with."""

    def test_says_what_is_known(self) -> None:
        """Kind, who, why, what by name, and what it took with it."""
        motive = Motive("editor", "typo", 3, 42.0)
        line = json.loads(begun(Ticket({1, 2}, "soft", names={"page:2", "block:1"}, motives=[motive])))
        assert line == {
            "type": "begun",
            "kind": "soft",
            "who": "editor",
            "reason": "typo",
            "names": ["block:1", "page:2"],
            "named": 2,
            "entries": 3,
            "render_ms": 42.0,
        }

    def test_without_names_or_motive(self) -> None:
        """A purge of fingerprints alone says how many; nobody is nobody."""
        line = json.loads(begun(Ticket({1, 2, 3})))
        assert line == {
            "type": "begun",
            "kind": "hard",
            "who": "",
            "reason": "",
            "names": [],
            "named": 3,
            "render_ms": 0.0,
        }

    def test_shared_by_many(self) -> None:
        """Calls that share a purge are told once each, and what they take with them is added."""
        motives = [Motive("ann", "typo", 1, 10.0), Motive("bob", "", 2, 5.0), Motive("ann", "news", 0, 0.0)]
        line = json.loads(begun(Ticket({1}, motives=motives)))
        assert (line["who"], line["reason"], line["entries"], line["render_ms"]) == ("ann; bob", "typo; news", 3, 15.0)

    def test_counted_by_some_is_not_counted(self) -> None:
        """Where one of the calls did not count its entries the sum is not known."""
        assert "entries" not in json.loads(begun(Ticket({1}, motives=[Motive(entries=1), Motive()])))

    def test_is_bounded(self) -> None:
        """Of many names the first are told, and how many there were; long texts are cut."""
        names = {f"{number:03}" + "x" * 1_000 for number in range(SHOWN + 1)}
        line = json.loads(begun(Ticket({1}, names=names, motives=[Motive("w" * 1_000, "r" * 1_000)])))
        assert (len(line["names"]), line["named"]) == (SHOWN, SHOWN + 1) == (50, 51)
        assert line["names"][0].startswith("000x")
        assert {len(text) for text in (*line["names"], line["who"], line["reason"])} == {LONGEST} == {300}

    def test_trial(self) -> None:
        """A purge of nothing, as the canary is, has no line."""
        assert begun(Ticket({1}, "noop")) == b""


def test_ended() -> None:
    """The last line says how many milliseconds it took, and who was waited for, once each and in order."""
    ticket = Ticket({1}, began=10.0, done_at=10.12345, slow={"b", "a"}, evicted=("c", "a"))
    assert json.loads(ended(ticket)) == {"type": "ended", "ms": 123.5, "slow": ["a", "b", "c"]}
    assert json.loads(ended(Ticket({1}))) == {"type": "ended", "ms": 0.0}


def test_name() -> None:
    """A purge is called by its epoch, as Redis has it, and its number."""
    assert named(0xE, 12) == "000000000000000e/12"


def test_instant() -> None:
    """Instants are written as RFC 3339 has them, to the millisecond, in UTC."""
    assert instant(1_700_000_000.1239) == "2023-11-14T22:13:20.123Z"
    assert instant(0) == "1970-01-01T00:00:00.000Z"


class TestRows:
    """Lines as a script gives them."""

    def test_as_they_are(self) -> None:
        """When, which purge and the line, in the order in which they come."""
        found = [[b"1700000000123-4", [b"p", b"e/1", b"r", b"{}"]], [b"5-0", [b"r", b"x", b"p", b"\xff"]]]
        assert rows(found) == [(1_700_000_000_123, "e/1", b"{}"), (5, "ÿ", b"x")]

    @pytest.mark.parametrize(
        "found", [None, b"", [], [[b"1-0", [b"p"]]], [[b"1-0", [b"p", b"e/1"]]], [[b"1-0", [b"r", b"{}"]]]]
    )
    def test_what_is_none_of_ours(self, found: object) -> None:
        """No answer, and entries of another kind, are left out."""
        assert rows(found) == []


class TestAccounts:
    """What is known of purges."""

    def test_in_full(self) -> None:
        """All lines of a purge make one account."""
        motive = Motive("editor", "typo", 3, 42.04)
        ticket = Ticket({1}, "soft", names={"page:1"}, motives=[motive], began=1.0, done_at=1.25, slow={"w:1"})
        name = named(0xE, 7)
        lines = (1_500, name, begun(ticket)), (1_750, name, ended(ticket)), (2_000, name, seen("w:1", 2, 1))
        assert told(*lines) == [
            {
                "at": "1970-01-01T00:00:01.500Z",
                "epoch": EPOCH,
                "seq": 7,
                "state": "done",
                "kind": "soft",
                "who": "editor",
                "reason": "typo",
                "tags": ["page:1"],
                "named": 1,
                "entries": 3,
                "render_ms": 42.0,
                "duration_ms": 250.0,
                "slow": ["w:1"],
                "rendered": 2,
                "unchanged": 1,
                "needless": False,
            },
        ]

    def test_newest_first(self) -> None:
        """The latest purge is the first; of two lines of one instant the one that was read later is."""
        assert [each["seq"] for each in told(purged(2, 20), purged(1, 10), purged(3, 20))] == [3, 2, 1]

    @pytest.mark.parametrize(
        ("epoch", "done", "state"),
        [
            (EPOCH, 6, "recorded"),
            (EPOCH, 7, "done"),
            (EPOCH, 8, "done"),
            (f"{0xF:016x}", 9, "recorded"),
            ("", 9, "recorded"),
        ],
    )
    def test_done_by_the_clock(self, epoch: str, done: int, state: str) -> None:
        """Without a last line a purge is done where the clock says so, in its own epoch; how long it took is not known."""
        (account,) = told(purged(7), epoch=epoch, done=done)
        assert (account["state"], account["duration_ms"], account["slow"]) == (state, None, [])

    @pytest.mark.parametrize(
        ("entries", "outcomes", "needless"),
        [
            (None, [], None),
            (1, [], None),
            (0, [], None),
            (1, [(2, 2)], True),
            (1, [(2, 1)], False),
            (0, [(1, 0)], False),
            (1, [(2, 2), (2, 1)], False),
            (1, [(0, 0)], None),
        ],
    )
    def test_needless(self, entries: int | None, outcomes: list[tuple[int, int]], needless: bool | None) -> None:
        """A purge was needless if all came out as it had been; open until something has, since others may hold what was purged."""
        lines = [(1, named(0xE, 7), seen(f"w:{place}", *pair)) for place, pair in enumerate(outcomes)]
        (account,) = told(purged(7, motives=[Motive(entries=entries)]), *lines)
        assert account["needless"] is needless
        assert account["rendered"] == sum(rendered for rendered, _ in outcomes)
        assert account["unchanged"] == sum(unchanged for _, unchanged in outcomes)

    def test_last_word_of_a_worker(self) -> None:
        """A worker's numbers only grow: the latest of its lines counts, not their sum."""
        name = named(0xE, 7)
        (account,) = told(purged(7), (3, name, seen("w", 4, 2)), (1, name, seen("w", 1, 1)), (2, name, seen("w", 2, 2)))
        assert (account["rendered"], account["unchanged"]) == (4, 2)

    def test_lines_are_read_by_the_next_release(self) -> None:
        """The log outlives the release that wrote it: each line says what it is."""
        lines = begun(Ticket({1})), ended(Ticket({1})), seen("w", 1, 1)
        assert [json.loads(line)["type"] for line in lines] == ["begun", "ended", "seen"]

    def test_first_word_of_a_purge(self) -> None:
        """Redis may be told twice by a call that was repeated; the first line counts, and so does the first end."""
        name, slow = named(0xE, 7), Ticket({1}, began=0.0, done_at=9.0)
        lines = (5, name, ended(Ticket({1}, began=0.0, done_at=1.0))), (6, name, ended(slow))
        (account,) = told(purged(7, 1), purged(7, 2, kind="soft"), *lines)
        assert (account["kind"], account["duration_ms"]) == ("hard", 1000.0)

    @pytest.mark.parametrize(
        "text", [b"", b"{", b"null", b'{"type":"later"}', b'{"type":"begun","kind":"\xff"}', b"[" * 5_000]
    )
    def test_unreadable_lines(self, text: bytes) -> None:
        """A line that cannot be read, or is from another version, takes nothing with it."""
        assert [each["seq"] for each in told((5, named(0xE, 7), text), purged(8))] == [8]

    def test_first_purge_of_another_epoch(self) -> None:
        """Where the clock stands in its epoch says nothing of the first purge of another."""
        (account,) = told(purged(1), epoch=f"{0xF:016x}", done=9)
        assert account["state"] == "recorded"

    def test_line_without_its_beginning(self) -> None:
        """What refers to a purge that has left the log is left out."""
        name = named(0xE, 7)
        assert told((1, name, ended(Ticket({1}))), (2, name, seen("w", 1, 1))) == []

    @pytest.mark.parametrize(("entries", "needless"), [(0, True), (1, None), (None, None)])
    def test_needless_where_nobody_else_is(self, entries: int | None, needless: bool | None) -> None:
        """In a cache without Redis a purge on which nothing depended was needless."""
        (account,) = told(purged(7, motives=[Motive(entries=entries)]), alone=True)
        assert account["needless"] is needless
