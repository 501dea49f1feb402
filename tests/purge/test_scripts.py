"""The server scripts, on each kind of server: what they record, what they answer, what they take for another history."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw.purge import link as link_module
from cms_cache_mw.purge.calls import check_call
from cms_cache_mw.purge.link import EpochError, IdentityError, Link, LinkError
from cms_cache_mw.purge.wire import Gap, Joined, Leased, More, Recorded, packed
from tests.support.server import Server
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from cms_cache_mw.purge.link import Identity
    from tests.support.server import Kind

PARTS = ["meta", "tags", "soft", "log", "acks", "grants", "leases", "low"]
ANNE, BERT = b"a" * 32, b"b" * 32
GOAL = 50
"""Microseconds of the server's time."""


@pytest.fixture
def redis(redis_server: Server) -> Redis:
    """A plain client of the server."""
    return redis_server.client()


@pytest.fixture
def key(namespace: str) -> Callable[[str], str]:
    """Names a control key."""
    return lambda part: f"{{{namespace}}}:clock:{part}"


class Clockwork:
    """The clock of one epoch, seen through a link: the calls with the epoch filled in."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.joined = link.join(0, 0, b"", 1.0)
        self.at: dict[bytes, tuple[int, bytes]] = {}

    def renew(
        self, worker: bytes, *, pos: int | None = None, lease: float = 1.0, outlived: float = 0.0
    ) -> Leased | More | Gap:
        """Renew where the worker stands, or at `pos`; what the reply brings is applied."""
        known = self.at.get(worker, (self.joined.seq, self.joined.tip))
        at = known if pos is None else (pos, known[1])
        answer = self.link.renew(self.joined.epoch, *at, worker, lease=lease, outlived=outlived)
        if isinstance(answer, Gap):
            self.at[worker] = (answer.seq, answer.tip)
        elif answer.entries:
            self.at[worker] = (answer.entries[-1].seq, answer.entries[-1].nonce)
        return answer

    def purge(self, *tags: int, kind: Any = "hard", grace: float = 0.0) -> Recorded:  # noqa: ANN401
        """Record a purge."""
        return self.link.purge(packed(tags), kind=kind, grace=grace)

    def check(self, base: int, *tags: int, known: tuple[int, bytes] | None = None, epoch: int | None = None) -> Any:  # noqa: ANN401
        """What CHECK answers."""
        namespace = self.link._meta.partition("}")[0][1:]
        now = self.link.join(0, 0, b"", 1.0)
        script, keys, arguments = check_call(
            namespace, epoch or self.joined.epoch, base, packed(tags), known=known or (now.seq, now.tip)
        )
        return self.link.client.eval(script, len(keys), *keys, *arguments)


@pytest.fixture
def clockwork(link: Link) -> Clockwork:
    """A clock whose epoch has just begun."""
    return Clockwork(link)


class TestJoin:
    """JOIN gives the epoch in force, or begins one."""

    def test_first_begins_an_epoch(self, link: Link) -> None:
        """On an empty server an epoch begins at number 1, with a floor that makes base 0 invalid."""
        joined = link.join(0, 0, b"", 1.0)
        assert joined.epoch
        assert (joined.seq, joined.floor) == (1, 1)
        assert int(joined.tip, 16) == joined.epoch

    def test_second_enters_it(self, link: Link) -> None:
        """Whoever comes later enters the same epoch, where it stands by then."""
        first = link.join(0, 0, b"", 1.0)
        recorded = link.purge(packed([5]), kind="hard")
        second = link.join(0, 0, b"", 1.0)
        assert (second.epoch, second.seq) == (first.epoch, 2) == (recorded.epoch, recorded.seq)
        assert second.tip != first.tip

    def test_keeps_an_epoch_that_has_what_is_claimed(self, clockwork: Clockwork) -> None:
        """A claim that the history confirms, at its end or before, changes nothing."""
        joined, link = clockwork.joined, clockwork.link
        assert link.join(joined.epoch, 1, joined.tip, 1.0) == joined
        clockwork.purge(5)
        clockwork.purge(6)
        entries = link.follow(joined.epoch, 1, 0.1)
        assert link.join(joined.epoch, 1, joined.tip, 1.0).epoch == joined.epoch
        assert link.join(joined.epoch, 2, entries[0].nonce, 1.0).epoch == joined.epoch
        assert link.join(joined.epoch, 3, entries[1].nonce, 1.0).epoch == joined.epoch

    @pytest.mark.parametrize(("pos", "tip"), [(1, b"other"), (2, b"other"), (3, b"other"), (4, b"any")])
    def test_ends_an_epoch_that_lacks_what_is_claimed(self, clockwork: Clockwork, pos: int, tip: bytes) -> None:
        """Where a worker knows purges that the server does not, purges were lost: everybody starts anew."""
        clockwork.purge(5)
        clockwork.purge(6)
        after = clockwork.link.join(clockwork.joined.epoch, pos, tip, 1.0)
        assert after.epoch != clockwork.joined.epoch
        assert after.seq == 1

    def test_claim_to_another_epoch_says_nothing(self, clockwork: Clockwork) -> None:
        """A worker of some epoch long past enters the one in force."""
        assert clockwork.link.join(clockwork.joined.epoch ^ 1, 99, b"tip", 1.0) == clockwork.joined

    def test_believes_what_was_trimmed(self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]) -> None:
        """A position that the log no longer holds cannot be checked and is believed."""
        for tag in range(5):
            clockwork.purge(tag)
        redis.xtrim(key("log"), 2, approximate=False)
        assert clockwork.link.join(clockwork.joined.epoch, 2, b"whatever", 1.0).epoch == clockwork.joined.epoch
        redis.xtrim(key("log"), 0, approximate=False)
        assert clockwork.link.join(clockwork.joined.epoch, 2, b"whatever", 1.0).epoch == clockwork.joined.epoch

    def test_remembers_the_longest_lease_of_the_epoch_before(
        self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """A new epoch is not settled before the leases of the old one have ended, those of whoever began it included."""
        clockwork.renew(ANNE, lease=7.0)
        redis.delete(key("tags"))
        clockwork.link.join(0, 0, b"", 2.0)
        assert clockwork.purge(5).lease == 7.0
        redis.delete(key("tags"))
        clockwork.link.join(0, 0, b"", 2.0)
        assert clockwork.purge(5).lease == 7.0
        redis.flushall()
        clockwork.link.join(0, 0, b"", 2.0)
        assert clockwork.purge(5).lease == 2.0

    def test_hidden_identity(
        self, link: Link, redis: Redis, redis_server: Server, connect: Callable[..., Link]
    ) -> None:
        """A user who may not ask INFO gets a clear refusal, unless weaker detection was accepted by name."""
        redis.acl_setuser("blind", enabled=True, passwords=["+x"], commands=["+@all", "-info"], keys=["*"])
        url = redis_server.url.replace("//", "//blind:x@")
        with pytest.raises(IdentityError, match="INFO"):
            connect(url).join(0, 0, b"", 1.0)
        assert redis.dbsize() == 0
        blind = connect(url, identity="none")
        assert blind.join(0, 0, b"", 1.0).seq == 1
        assert blind.purge(packed([5]), kind="hard").seq == 2
        redis.acl_deluser("blind")


def test_loss_of_any_control_key_is_noticed(
    clockwork: Clockwork, redis: Redis, key: Callable[[str], str], subtests: pytest.Subtests
) -> None:
    """Without one of its keys, or with a foreign value in its place, the history is broken: RENEW, PURGE, EVICT and LEAVE refuse."""
    foreign: list[Callable[[str], object]] = [
        redis.delete,
        lambda name: (redis.delete(name), redis.set(name, "foreign")),
        lambda name: (redis.delete(name), redis.rpush(name, "foreign")),
        lambda name: (redis.delete(name), redis.zadd(name, {"foreign": 1})),
        lambda name: (redis.delete(name), redis.hset(name, "foreign", "1")),
    ]
    for part in PARTS[:-1]:
        for number, spoil in enumerate(foreign):
            with subtests.test(part=part, spoil=number):
                clock = Clockwork(clockwork.link)
                clock.renew(ANNE)
                spoil(key(part))
                with pytest.raises(EpochError):
                    clock.renew(ANNE)
                with pytest.raises(EpochError):
                    clock.purge(5)
                with pytest.raises(EpochError):
                    clock.link.evict(clock.joined.epoch, 2)
                with pytest.raises(EpochError):
                    clock.link.leave(clock.joined.epoch, ANNE)
                assert clock.check(1, 5, known=(1, clock.joined.tip)) == [b"EPOCH"]
                assert Clockwork(clock.link).joined.epoch != clock.joined.epoch


@pytest.mark.parametrize("field", ["epoch", "inc", "seq", "floor", "low", "lease"])
def test_loss_of_a_fact_is_noticed(clockwork: Clockwork, redis: Redis, key: Callable[[str], str], field: str) -> None:
    """A clock that lacks a field is broken as well."""
    redis.hdel(key("meta"), field)
    with pytest.raises(EpochError):
        clockwork.renew(ANNE)
    assert clockwork.link.join(0, 0, b"", 1.0).epoch != clockwork.joined.epoch


@pytest.mark.parametrize("value", ["nothing", "text", "emptied"])
def test_stream_for_purgers_is_made_anew(
    clockwork: Clockwork, redis: Redis, key: Callable[[str], str], value: str
) -> None:
    """What purgers wait at only repeats what is known: whatever happens to it, it is there again with the next change."""
    clockwork.renew(ANNE)
    clockwork.purge(5)
    match value:
        case "nothing":
            redis.delete(key("low"))
        case "text":
            redis.set(key("low"), "foreign")
        case "emptied":
            redis.xadd(key("low"), {"e": "0"}, id="99-0")
            redis.xtrim(key("low"), 0, approximate=False)
    clockwork.renew(ANNE)
    clockwork.renew(ANNE)
    assert clockwork.link.low(1, 0.1) == (clockwork.joined.epoch, 2)


class TestRenew:
    """RENEW acknowledges and leases."""

    def test_registers_and_acknowledges(self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]) -> None:
        """A worker is registered with its position, its grant and its lease; purgers see the smallest position."""
        assert clockwork.renew(ANNE, lease=2.5) == Leased([])
        assert redis.zscore(key("acks"), ANNE) == redis.zscore(key("grants"), ANNE) == 1
        assert redis.zscore(key("leases"), ANNE) == 2500

    def test_hands_out_what_is_missing_with_the_lease(
        self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """A worker that is behind gets the purges and a lease; the grant notes the last of them, the acknowledgement does not."""
        clockwork.renew(ANNE)
        clockwork.purge(5, 6)
        clockwork.purge(7, kind="soft", grace=1.5)
        answer = clockwork.renew(ANNE)
        assert isinstance(answer, Leased)
        assert [(entry.seq, entry.kind, entry.prints, entry.grace) for entry in answer.entries] == [
            (2, "hard", (5, 6), 0.0),
            (3, "soft", (7,), 1.5),
        ]
        assert redis.zscore(key("acks"), ANNE) == 1
        assert redis.zscore(key("grants"), ANNE) == 3
        assert clockwork.link.low(1, 0.01) is None
        assert clockwork.renew(ANNE) == Leased([])
        assert clockwork.link.low(1, 0.01) == (clockwork.joined.epoch, 3)

    def test_never_lowers(self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]) -> None:
        """A renewal that was on its way for long does not take an acknowledgement back."""
        first = clockwork.joined
        clockwork.purge(5)
        clockwork.renew(ANNE)
        clockwork.renew(ANNE)
        clockwork.link.renew(first.epoch, 1, first.tip, ANNE, lease=1.0)
        assert redis.zscore(key("acks"), ANNE) == 2
        assert clockwork.link.low(1, 0.01) == (first.epoch, 2)

    def test_slowest_worker_decides(self, clockwork: Clockwork) -> None:
        """Purgers see a number only when the last registered worker has acknowledged it."""
        clockwork.renew(ANNE)
        clockwork.renew(BERT)
        clockwork.purge(5)
        for _ in range(2):
            clockwork.renew(ANNE)
        assert clockwork.link.low(1, 0.01) is None
        for _ in range(2):
            clockwork.renew(BERT)
        assert clockwork.link.low(1, 0.01) == (clockwork.joined.epoch, 2)

    def test_long_list_comes_in_parts(
        self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More than a reply holds comes in several, and only the last one with a lease."""
        monkeypatch.setattr(link_module, "BATCH", 2)
        for tag in range(5):
            clockwork.purge(tag)
        answers = [clockwork.renew(ANNE) for _ in range(4)]
        assert [type(answer) for answer in answers] == [More, More, Leased, Leased]
        assert [answer.behind for answer in answers if isinstance(answer, More)] == [3, 1]
        assert redis.zscore(key("grants"), ANNE) == 6

    def test_part_of_a_list_is_no_grant(
        self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who is still catching up can be unregistered: it holds no lease."""
        monkeypatch.setattr(link_module, "BATCH", 1)
        for tag in range(3):
            clockwork.purge(tag)
        assert isinstance(clockwork.renew(ANNE), More)
        assert redis.zscore(key("grants"), ANNE) is None
        assert clockwork.link.evict(clockwork.joined.epoch, 4) == [ANNE]

    def test_trimmed_past(self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]) -> None:
        """A worker that the log was trimmed past is told where the clock stands, and gets no lease."""
        for tag in range(5):
            clockwork.purge(tag)
        redis.xtrim(key("log"), 2, approximate=False)
        now = clockwork.link.join(0, 0, b"", 1.0)
        assert clockwork.renew(ANNE) == Gap(6, now.tip)
        assert redis.zscore(key("grants"), ANNE) is None
        assert clockwork.renew(ANNE) == Leased([])

    @pytest.mark.parametrize("lost", [2, 3, 4])
    def test_hole_in_the_log(self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str], lost: int) -> None:
        """An entry that is missing anywhere is a gap, found at once or as soon as the worker gets there; never a lease past it."""
        for tag in range(3):
            clockwork.purge(tag)
        redis.xdel(key("log"), f"{lost}-0")
        answers = [clockwork.renew(ANNE) for _ in range(2)]
        gaps = [answer for answer in answers if isinstance(answer, Gap)]
        assert len(gaps) == 1
        assert not any(isinstance(answer, Leased) for answer in answers[: answers.index(gaps[0])])

    @pytest.mark.parametrize(("pos", "tip"), [(1, b"other"), (2, b"other"), (3, b"any")])
    def test_unknown_position(
        self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str], pos: int, tip: bytes
    ) -> None:
        """A position that this history does not contain is another history; nothing is acknowledged."""
        clockwork.purge(5)
        with pytest.raises(EpochError):
            clockwork.link.renew(clockwork.joined.epoch, pos, tip, ANNE, lease=1.0)
        assert redis.zscore(key("acks"), ANNE) is None

    def test_position_ahead(self, clockwork: Clockwork) -> None:
        """A position beyond the last number is unknown, whatever its tip."""
        with pytest.raises(EpochError):
            clockwork.link.renew(clockwork.joined.epoch, 2, clockwork.joined.tip, ANNE, lease=1.0)

    def test_other_epoch(self, clockwork: Clockwork) -> None:
        """So is another epoch, though the numbers fit."""
        with pytest.raises(EpochError):
            clockwork.link.renew(clockwork.joined.epoch ^ 1, 1, clockwork.joined.tip, ANNE, lease=1.0)

    def test_settles_after_the_longest_lease(self, clockwork: Clockwork) -> None:
        """An epoch is settled by a worker that has known it for longer than any lease there may be."""
        clockwork.renew(BERT, lease=3.0)
        clockwork.renew(ANNE, outlived=2.99)
        assert not clockwork.purge(5).settled
        clockwork.renew(ANNE, outlived=3.0)
        assert clockwork.purge(5).settled


class TestPurge:
    """PURGE gives a number."""

    def test_needs_an_epoch(self, link: Link) -> None:
        """On a server without a clock nothing is recorded."""
        with pytest.raises(EpochError):
            link.purge(packed([5]), kind="hard")

    def test_numbers_follow_one_another(self, clockwork: Clockwork) -> None:
        """Each purge has the next number; the log shows who was purged and how."""
        assert [
            clockwork.purge(5).seq,
            clockwork.purge(5, kind="soft", grace=2).seq,
            clockwork.purge(kind="noop").seq,
        ] == [2, 3, 4]
        entries = clockwork.link.follow(clockwork.joined.epoch, 1, 0.1)
        assert [(entry.seq, entry.kind, entry.prints) for entry in entries] == [
            (2, "hard", (5,)),
            (3, "soft", (5,)),
            (4, "noop", ()),
        ]

    def test_kinds_have_tables_of_their_own(
        self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """Hard and soft purges are kept apart, so that people can be told which it was."""
        clockwork.purge(5)
        clockwork.purge(6, kind="soft")
        assert [redis.zscore(key("tags"), packed([tag])) for tag in (5, 6)] == [2, None]
        assert [redis.zscore(key("soft"), packed([tag])) for tag in (5, 6)] == [None, 3]

    def test_nobody_registered(self, clockwork: Clockwork) -> None:
        """Where no worker is registered everybody has acknowledged."""
        recorded = clockwork.purge(5)
        assert recorded.low == recorded.seq == 2
        clockwork.renew(ANNE)
        assert clockwork.purge(5).low == 2

    def test_waits_for_the_longest_lease(self, clockwork: Clockwork) -> None:
        """A purger learns the longest lease of all who are registered, no longer and no shorter."""
        clockwork.renew(ANNE, lease=2.0, outlived=60)
        clockwork.renew(BERT, lease=5.0)
        assert clockwork.purge(5).lease == 5.0
        clockwork.link.leave(clockwork.joined.epoch, BERT)
        assert clockwork.purge(5).lease == 2.0
        clockwork.link.evict(clockwork.joined.epoch, 99)
        assert clockwork.purge(5).lease == 0.0

    def test_many_tags(self, clockwork: Clockwork) -> None:
        """Thousands of tags share a number and are all recorded."""
        recorded = clockwork.purge(*range(5_000))
        records, floor = clockwork.link.purged(10_000)
        assert records == dict.fromkeys(range(5_000), recorded.seq)
        assert floor == 1

    def test_forgetting_raises_the_floor(self, clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond its cap the server forgets the oldest records and says below which number it knows nothing."""
        monkeypatch.setattr(link_module, "MAX_RECORDS", 100)
        for tag in range(150):
            clockwork.purge(tag)
        records, floor = clockwork.link.purged(1_000)
        assert 90 <= len(records) <= 100
        assert min(records.values()) == floor + 1
        assert clockwork.check(floor - 1, 9_999) == [b"STALE"]
        assert clockwork.check(floor, 9_999) == [b"OK", 151]
        assert clockwork.renew(ANNE) is not None

    def test_soft_ones_are_forgotten_alike(self, clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
        """The cap holds for soft purges too, and their loss raises the same floor."""
        monkeypatch.setattr(link_module, "MAX_RECORDS", 10)
        for tag in range(15):
            clockwork.purge(tag, kind="soft")
        records, floor = clockwork.link.purged(1_000)
        assert len(records) <= 10
        assert min(records.values()) == floor + 1

    def test_more_tags_than_are_kept(self, clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
        """A purge of more than the server keeps makes everything before it unknown."""
        monkeypatch.setattr(link_module, "MAX_RECORDS", 10)
        recorded = clockwork.purge(*range(30))
        assert clockwork.link.purged(1_000)[1] == recorded.seq
        assert clockwork.check(recorded.seq - 1, 9_999) == [b"STALE"]
        assert clockwork.purge(5).epoch == recorded.epoch


class TestEvict:
    """EVICT unregisters those that cannot hold a lease any more."""

    def test_silent_ones_go(self, clockwork: Clockwork, redis: Redis, key: Callable[[str], str]) -> None:
        """Who neither acknowledged nor was granted a lease since the purge goes, and purgers are told."""
        clockwork.renew(ANNE)
        clockwork.renew(BERT)
        recorded = clockwork.purge(5)
        for _ in range(2):
            clockwork.renew(ANNE)
        assert clockwork.link.evict(recorded.epoch, recorded.seq) == [BERT]
        assert clockwork.link.low(1, 0.01) == (recorded.epoch, recorded.seq)
        for part in ("acks", "grants", "leases"):
            assert redis.zscore(key(part), BERT) is None
            assert redis.zscore(key(part), ANNE) is not None

    def test_granted_but_not_acknowledged_stays(self, clockwork: Clockwork) -> None:
        """Who got a lease with the list, and has still to say so, holds a lease: the next purge has to wait for it."""
        clockwork.renew(ANNE)
        recorded = clockwork.purge(5)
        clockwork.renew(ANNE)
        assert clockwork.link.evict(recorded.epoch, recorded.seq) == []
        following = clockwork.purge(6)
        assert following.low < following.seq
        assert clockwork.link.evict(recorded.epoch, following.seq) == [ANNE]

    def test_other_epoch(self, clockwork: Clockwork) -> None:
        """In another epoch nobody is evicted, whatever the numbers."""
        clockwork.renew(ANNE)
        with pytest.raises(EpochError):
            clockwork.link.evict(clockwork.joined.epoch ^ 1, 99)
        assert clockwork.link.behind(99) == [(ANNE, 1)]

    def test_leaving(self, clockwork: Clockwork) -> None:
        """Who leaves is waited for no longer, at once."""
        clockwork.renew(ANNE)
        recorded = clockwork.purge(5)
        clockwork.link.leave(recorded.epoch, ANNE)
        assert clockwork.link.low(1, 0.01) == (recorded.epoch, recorded.seq)
        assert clockwork.link.behind(99) == []


class TestCheck:
    """CHECK judges an entry that is older than what a worker remembers."""

    def test_valid(self, clockwork: Clockwork) -> None:
        """What was not purged since its base is valid as of now."""
        clockwork.purge(5)
        assert clockwork.check(1, 6, 7) == [b"OK", 2]
        assert clockwork.check(2, 5) == [b"OK", 2]

    def test_purged(self, clockwork: Clockwork) -> None:
        """What was purged since is void; softly purged counts, for nobody knows the grace."""
        clockwork.purge(5)
        clockwork.purge(6, kind="soft", grace=60)
        assert clockwork.check(1, 4, 5) == [b"STALE"]
        assert clockwork.check(2, 4, 6) == [b"STALE"]
        assert clockwork.check(2, 4, 5) == [b"OK", 3]

    def test_base_zero(self, clockwork: Clockwork) -> None:
        """Base 0 is of no render."""
        assert clockwork.check(0, 5) == [b"STALE"]

    def test_other_history(self, clockwork: Clockwork) -> None:
        """A server that lacks what the worker knows, or has another epoch, judges nothing."""
        clockwork.purge(5)
        assert clockwork.check(1, 6, epoch=clockwork.joined.epoch ^ 1) == [b"EPOCH"]
        assert clockwork.check(1, 6, known=(3, b"n")) == [b"EPOCH"]
        assert clockwork.check(1, 6, known=(2, b"n")) == [b"EPOCH"]
        assert clockwork.check(1, 6, known=(1, clockwork.joined.tip)) == [b"OK", 2]


class TestServer:
    """What a server does to a clock."""

    def test_emptied(self, clockwork: Clockwork, redis: Redis) -> None:
        """FLUSHALL ends the epoch."""
        redis.flushall()
        with pytest.raises(EpochError):
            clockwork.renew(ANNE)
        with pytest.raises(EpochError):
            clockwork.purge(5)

    def test_scripts_flushed(self, clockwork: Clockwork, redis: Redis) -> None:
        """A server that has forgotten the scripts is taught them again."""
        redis.script_flush()
        assert clockwork.renew(ANNE) == Leased([])
        redis.script_flush()
        assert clockwork.purge(5).seq == 2

    def test_restarted(self, own_server: Server, namespace: str) -> None:
        """A restart is noticed though all keys are still there, unless identity is switched off by name."""
        own_server.directives["appendonly"] = "yes"
        own_server.restart()
        seen: dict[str, tuple[Joined, Joined]] = {}
        identities: list[Identity] = ["info", "none"]
        for identity in identities:
            link = Link(own_server.url, f"{namespace}-{identity}", identity=identity, timeout=2.0)
            before = link.join(0, 0, b"", 1.0)
            own_server.restart()
            link.close()
            link = Link(own_server.url, f"{namespace}-{identity}", identity=identity, timeout=2.0)
            if identity == "info":
                with pytest.raises(EpochError):
                    link.renew(before.epoch, before.seq, before.tip, ANNE, lease=1.0)
            seen[identity] = before, link.join(before.epoch, before.seq, before.tip, 1.0)
            link.close()
        assert seen["info"][0].epoch != seen["info"][1].epoch
        assert seen["none"][0] == seen["none"][1]

    def test_out_of_memory(self, own_server: Server, namespace: str) -> None:
        """A full server records no purge, not in part; leases go on."""
        redis = own_server.client()
        link = Link(own_server.url, namespace, timeout=2.0)
        joined = link.join(0, 0, b"", 1.0)
        redis.config_set("maxmemory", "1")
        with pytest.raises(LinkError, match=r"OutOfMemory|OOM"):
            link.purge(packed([5]), kind="hard")
        assert link.renew(joined.epoch, 1, joined.tip, ANNE, lease=1.0) == Leased([])
        assert link.purged(10) == ({}, 1)
        redis.config_set("maxmemory", "0")
        assert link.purge(packed([5]), kind="hard").seq == 2
        link.close()

    def test_cut_off_from_its_replicas(self, own_server: Server, namespace: str) -> None:
        """A primary that has to have replicas and has none grants no lease and records no purge; it may still be read."""
        redis = own_server.client()
        link = Link(own_server.url, namespace, timeout=2.0)
        clock = Clockwork(link)
        redis.config_set("min-replicas-to-write", "1")
        with pytest.raises(LinkError, match="replicas"):
            clock.renew(ANNE)
        with pytest.raises(LinkError, match="replicas"):
            clock.purge(5)
        redis.config_set("min-replicas-to-write", "0")
        assert clock.purge(5).seq == 2
        known = (2, link.join(0, 0, b"", 1.0).tip)
        redis.config_set("min-replicas-to-write", "1")
        script, keys, arguments = check_call(namespace, clock.joined.epoch, 1, packed([6]), known=known)
        assert redis.eval(script, len(keys), *keys, *arguments) == [b"OK", 2]
        link.close()

    def test_confirmed_by_replicas(self, own_server: Server, server_kind: Kind, namespace: str) -> None:
        """A purge that replicas have to confirm counts once they have it, and is an error while they are away."""
        with Server(server_kind, {"replicaof": f"127.0.0.1 {own_server.port}"}) as replica:
            copy = replica.client()
            until(lambda: copy.info("replication")["master_link_status"] == "up", "the replica follows")
            link = Link(own_server.url, namespace, replicas=1, timeout=2.0)
            with pytest.raises(EpochError):
                link.purge(packed([5]), kind="hard")
            link.join(0, 0, b"", 1.0)
            recorded = link.purge(packed([5]), kind="hard")
            assert copy.zscore(f"{{{namespace}}}:clock:tags", packed([5])) == recorded.seq
            replica.pause()
            with pytest.raises(LinkError, match="0 of 1 replicas"):
                link.purge(packed([5]), kind="hard")
            link.close()

    def test_time_it_takes(self, clockwork: Clockwork, redis: Redis) -> None:
        """A renewal and a purge each keep the server busy for at most 50 µs."""
        clockwork.renew(ANNE)
        joined = clockwork.joined
        renewal: list[str | bytes | int] = [f"{joined.epoch:016x}", "info", joined.seq, joined.tip, ANNE, 1000, 0, 1000]
        purge: list[str | bytes | int] = ["info", b"nonce", "hard", 0, 200_000, 20_000, packed([5, 6, 7])]
        assert quickest(clockwork.link, redis, "renew", renewal) <= GOAL
        assert quickest(clockwork.link, redis, "purge", purge) <= GOAL


def quickest(link: Link, redis: Redis, name: str, arguments: list[str | bytes | int]) -> float:
    """Microseconds that a script takes: the mean of the best round, since others use the machine as well."""
    best = inf
    for _ in range(200):
        pipeline = link.client.pipeline(transaction=False)
        for _ in range(20):
            link._scripts[name](keys=link._keys, args=arguments, client=pipeline)
        before = redis.info("commandstats").get("cmdstat_evalsha", {"usec": 0, "calls": 0})
        pipeline.execute()
        after = redis.info("commandstats")["cmdstat_evalsha"]
        best = min(best, (after["usec"] - before["usec"]) / (after["calls"] - before["calls"]))
        if best <= GOAL:
            break
    return best
