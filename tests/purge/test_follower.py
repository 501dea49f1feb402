"""The follower: applies before it acknowledges and before it serves, and knows when it no longer knows."""

from __future__ import annotations

import logging
import socket
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import pytest

from cms_cache_mw.core.status import Reason
from cms_cache_mw.purge import link as link_module
from cms_cache_mw.purge.clock import Clock
from cms_cache_mw.purge.follower import Follower
from cms_cache_mw.purge.lease import usable
from cms_cache_mw.purge.link import Link
from cms_cache_mw.purge.wire import packed
from cms_cache_mw.stores.ticker import boottime
from tests.purge.member import Page
from tests.support.process import Port
from tests.support.proxy import Proxy
from tests.support.server import Server
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from redis import Redis

    from tests.purge.member import Enlist, Member
    from tests.support.server import Kind

PAGE, MENU = 5, 6


@pytest.fixture
def redis(redis_server: Server) -> Redis:
    """A plain client of the server."""
    return redis_server.client()


@pytest.fixture
def key(namespace: str) -> Callable[[str], str]:
    """Names a control key."""
    return lambda part: f"{{{namespace}}}:clock:{part}"


@pytest.fixture
def proxy(redis_server: Server, redis_url: str) -> Iterator[Proxy]:
    """A way to the empty server that can be disturbed."""
    with Proxy(redis_server.port) as proxy:
        yield proxy


def record(link: Link, *tags: int, kind: str = "hard", grace: float = 0.0) -> int:
    """Record a purge from elsewhere, without waiting for anybody."""
    return link.purge(packed(tags), kind=kind, grace=grace).seq  # type: ignore[arg-type]


def applied(member: Member, seq: int) -> None:
    """Return when a worker has applied a purge."""
    until(lambda: member.worker.clock.token.pos >= seq, f"purge {seq} is applied")


class TestFollowing:
    """What is recorded is applied, acknowledged and leased for."""

    def test_applies_what_is_recorded(self, enlist: Enlist, redis_url: str, link: Link) -> None:
        """A purge from elsewhere voids what depends on it and nothing else."""
        member = enlist(redis_url)
        page, other = member.render(PAGE), member.render(MENU)
        assert member.verdict(page) is None
        applied(member, record(link, PAGE))
        assert member.verdict(page) is Reason.PURGED
        assert member.verdict(other) is None

    def test_acknowledges_what_it_has_applied(
        self, enlist: Enlist, redis_url: str, link: Link, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """The registry shows the position that the worker has reached, within a moment and not ahead of it."""
        member = enlist(redis_url, lease=30.0)
        for _ in range(5):
            seq = record(link, PAGE)
            acknowledged: list[float] = []

            def seen(seq: int = seq, acknowledged: list[float] = acknowledged) -> bool:
                score = redis.zscore(key("acks"), member.name)
                acknowledged.append(score or 0)
                # Read after the registry: what is acknowledged is in force.
                assert member.worker.clock.token.pos >= acknowledged[-1]
                return acknowledged[-1] == seq

            until(seen, "the purge is acknowledged")

    def test_lease_counts_from_before_the_request(self, enlist: Enlist, proxy: Proxy) -> None:
        """However long an answer takes, the lease it brings ends as if it had come at once."""
        member = enlist(proxy.url, lease=2.0)
        proxy.delay(0.4, "replies")
        before = member.worker.clock.state.lease_until
        until(lambda: member.worker.clock.state.lease_until != before, "a delayed renewal has come")
        until(lambda: member.worker.clock.state.lease_until > before + 0.5, "and one more")
        assert member.worker.clock.state.lease_until - boottime() <= usable(2.0) - 0.4

    def test_catches_up_in_parts(
        self, enlist: Enlist, redis_url: str, link: Link, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More purges than a reply holds are applied batch by batch before there is a lease."""
        monkeypatch.setattr(link_module, "BATCH", 2)
        member = enlist(redis_url, leased=False)
        link.join(0, 0, b"", 1.0)
        monkeypatch.setattr(Clock, "begin", _and_then(Clock.begin, lambda: [record(link, tag) for tag in range(7)]))
        member.start()
        assert member.worker.clock.token.pos == 8
        assert member.follower.behind == 0

    def test_knows_what_was_purged_before_it_came(self, enlist: Enlist, redis_url: str, link: Link) -> None:
        """A worker that starts learns the recent purges, whatever bytes their fingerprints begin with; soft ones as hard."""
        epoch = link.join(0, 0, b"", 1.0).epoch
        marked = int.from_bytes(b"@epoch!!", "big")
        record(link, marked)
        record(link, MENU, kind="soft", grace=60)
        record(link, PAGE)
        member = enlist(redis_url)
        assert member.verdict(Page(epoch, 1, (marked,))) is Reason.PURGED
        assert member.verdict(Page(epoch, 2, (marked,))) is None
        assert member.verdict(Page(epoch, 2, (MENU,))) is Reason.PURGED
        assert member.verdict(Page(epoch, 3, (PAGE,))) is Reason.PURGED
        assert member.verdict(Page(epoch, 1, (99,))) is None

    @pytest.mark.parametrize("page", [3, 5, 10, 11, 1000])
    def test_learns_no_more_than_it_can_hold(
        self, enlist: Enlist, redis_url: str, link: Link, monkeypatch: pytest.MonkeyPatch, page: int
    ) -> None:
        """Of many purges the newest are loaded, a page at a time; what is older than those is unknown."""
        monkeypatch.setattr(link_module, "PAGE", page)
        epoch = link.join(0, 0, b"", 1.0).epoch
        for tag in range(20):
            record(link, tag)
        member = enlist(redis_url, leased=False)
        member.worker.clock.capacity = 10
        member.start()
        assert member.worker.clock.state.hard == {tag: tag + 2 for tag in range(10, 20)}
        assert member.worker.clock.state.floor == 12
        assert member.verdict(Page(epoch, 11, (99,))) is Reason.FLOOR
        assert member.verdict(Page(epoch, 12, (99,))) is None

    def test_everything_fits(self, enlist: Enlist, redis_url: str, link: Link) -> None:
        """Where there are fewer purges than it can hold all of the past is known."""
        link.join(0, 0, b"", 1.0)
        for tag in range(9):
            record(link, tag)
        member = enlist(redis_url, leased=False)
        member.worker.clock.capacity = 10
        member.start()
        assert member.worker.clock.state.floor == 1


class TestLosingTouch:
    """A worker that cannot prove to be up to date stops within its lease, and catches up by itself."""

    @pytest.mark.logs("lease lost")
    @pytest.mark.parametrize("directions", [(), ("requests",), ("replies",)])
    def test_stops_and_comes_back(
        self, enlist: Enlist, proxy: Proxy, link: Link, directions: tuple[str, ...], caplog: pytest.LogCaptureFixture
    ) -> None:
        """A mute link, in one direction or both: unsure when the lease ends, then every missed purge is replayed."""
        caplog.set_level(logging.INFO, "cms_cache_mw")
        member = enlist(proxy.url, lease=0.6)
        page, kept = member.render(PAGE), member.render(MENU)
        proxy.hold(*directions)  # type: ignore[arg-type]
        held = boottime()
        until(lambda: not member.sure, "the lease has ended")
        assert member.worker.clock.state.lease_until <= held + usable(0.6)
        assert member.verdict(page) is Reason.UNSURE
        seq = record(link, PAGE)
        until(lambda: "lease lost" in caplog.text, "it is said")
        proxy.cut()
        proxy.heal()
        until(lambda: member.sure, "the lease is back")
        assert member.worker.clock.token.pos >= seq
        assert member.verdict(page) is Reason.PURGED
        assert member.verdict(kept) is None
        assert member.resets == 1
        until(lambda: "lease back" in caplog.text, "that is said as well")
        assert caplog.text.count("lease lost") == caplog.text.count("lease back") == 1

    @pytest.mark.logs("lease lost")
    def test_tries_again_at_growing_distances(self, namespace: str, ended: ExitStack) -> None:
        """A server that refuses is asked again after pauses that grow, each cut by chance."""
        port = Port()
        ended.callback(port.release)
        tried: list[float] = []

        def connect(timeout: float) -> Link:
            tried.append(boottime())
            return Link(f"redis://127.0.0.1:{port.number}/0", namespace, timeout=timeout)

        follower = Follower(Clock(), connect, lease=1.0, reset=lambda: None)
        follower.start()
        until(lambda: len(tried) >= 5, "five attempts")
        follower.stop()
        pauses = [later - earlier for earlier, later in pairwise(tried)]
        assert all(0.05 * 2**number <= pause for number, pause in enumerate(pauses))
        assert follower.trouble.startswith("ConnectionError")

    def test_survives_being_thrown_out(self, enlist: Enlist, redis_url: str, redis: Redis, link: Link) -> None:
        """Connections that are killed again and again cost no lease and no purge."""
        member = enlist(redis_url, lease=3.0)
        page = member.render(PAGE)
        for _ in range(8):
            redis.client_kill_filter(_type="normal", skipme=True)
            assert member.sure
        applied(member, _persistently(lambda: record(Link(redis_url, member.worker._namespace, timeout=2.0), PAGE)))
        assert member.verdict(page) is Reason.PURGED
        assert member.resets == 1

    @pytest.mark.logs("lease lost")
    def test_soft_purge_that_was_missed_is_hard(self, enlist: Enlist, proxy: Proxy, link: Link) -> None:
        """Who was away does not know how long ago a soft purge was answered, and grants it no grace."""
        member = enlist(proxy.url, lease=0.5)
        page, stale = member.render(PAGE), member.render(MENU)
        applied(member, record(link, MENU, kind="soft", grace=60))
        assert member.verdict(stale) is Reason.SOFT_PURGED
        proxy.hold()
        until(lambda: not member.sure, "the lease has ended")
        record(link, PAGE, kind="soft", grace=60)
        proxy.cut()
        proxy.heal()
        until(lambda: member.sure, "the lease is back")
        assert member.verdict(page) is Reason.PURGED
        assert member.verdict(stale) is Reason.SOFT_PURGED

    @pytest.mark.logs("lease lost")
    def test_may_serve_longer_by_choice(
        self, enlist: Enlist, proxy: Proxy, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """With a time for being unsure the lease lasts that much longer, and purgers are told to wait for it."""
        member = enlist(proxy.url, lease=0.3, unsure_max=0.7)
        assert redis.zscore(key("leases"), member.name) == 1000
        proxy.hold()
        held = boottime()
        until(lambda: not member.sure, "it has given up")
        assert held + 0.3 < member.worker.clock.state.lease_until <= held + usable(1.0)

    def test_asks_whether_the_store_is_back(self, enlist: Enlist, redis_url: str) -> None:
        """While visitors are kept from asking, the follower asks, and closes the breaker."""
        member = enlist(redis_url, lease=0.3)
        member.breaker._failures, member.breaker._pause = 3, 0.0
        member.breaker.open = True
        until(lambda: not member.breaker.open, "the breaker is closed")


class TestAnotherHistory:
    """Loss is noticed, and turned into a cold start."""

    @pytest.mark.logs("starting cold")
    def test_emptied_server(self, enlist: Enlist, redis_url: str, redis: Redis) -> None:
        """After FLUSHALL what was held is worthless, and soon there is a lease in a new epoch."""
        member = enlist(redis_url, lease=0.5)
        page = member.render(PAGE)
        redis.flushall()
        until(lambda: member.verdict(page) is Reason.EPOCH, "the new epoch is in force")
        assert member.resets == 3
        assert member.sure

    @pytest.mark.logs("starting cold")
    def test_everybody_enters_the_same_epoch(self, enlist: Enlist, redis_url: str, redis: Redis) -> None:
        """Workers that notice a loss at the same time agree on one new epoch."""
        members = [enlist(redis_url, lease=0.5) for _ in range(4)]
        old = members[0].worker.clock.token.epoch
        redis.flushall()
        until(lambda: all(m.sure and m.worker.clock.token.epoch != old for m in members), "all are leased anew")
        assert len({member.worker.clock.token.epoch for member in members}) == 1

    @pytest.mark.logs("starting cold")
    def test_lost_purge_is_claimed(
        self, enlist: Enlist, redis_url: str, link: Link, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """Where the server lacks a purge that this worker has applied, everybody starts anew: the others may lack it too."""
        first = link.join(0, 0, b"", 1.0)
        member = enlist(redis_url, lease=0.5)
        applied(member, record(link, PAGE))
        with redis.pipeline() as lost:
            lost.hset(key("meta"), mapping={"seq": 1, "tip": first.tip, "low": 1})
            lost.xdel(key("log"), "2-0")
            lost.zrem(key("tags"), packed([PAGE]))
            lost.execute()
        until(lambda: member.worker.clock.token.epoch != first.epoch, "a new epoch has begun")
        assert link.join(first.epoch, 1, first.tip, 1.0).epoch == member.worker.clock.token.epoch

    @pytest.mark.logs("starting cold")
    def test_news_of_another_epoch_are_not_applied(
        self, enlist: Enlist, redis_url: str, link: Link, redis: Redis
    ) -> None:
        """A log made anew under a waiting reader, by chance with the next number, is not taken for its own."""
        member = enlist(redis_url, lease=6.0)
        old = member.worker.clock.state
        redis.flushall()
        link.join(0, 0, b"", 1.0)
        record(link, PAGE)
        until(lambda: member.worker.clock.state is not old, "the new epoch is entered")
        assert old.pos == 1
        assert not old.hard

    @pytest.mark.logs("trimmed past", "lease lost")
    def test_trimmed_log(
        self, enlist: Enlist, proxy: Proxy, link: Link, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """Who was away for longer than the log reaches back drops its memory and goes on in the same epoch."""
        member = enlist(proxy.url, lease=0.5)
        page = member.render(PAGE)
        proxy.hold()
        last = max(record(link, MENU) for _ in range(5))
        redis.xtrim(key("log"), 1, approximate=False)
        proxy.cut()
        proxy.heal()
        until(lambda: member.worker.clock.token.pos == last and member.sure, "it has caught up")
        assert member.worker.clock.state.floor == last
        assert member.verdict(page) is Reason.FLOOR
        assert member.resets == 2

    @pytest.mark.logs("does not tell who it is")
    def test_hidden_identity(
        self, enlist: Enlist, redis_server: Server, redis_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A server that hides who it is gets one clear error in the log, and this worker never a lease until it does."""
        redis.acl_setuser("shy", enabled=True, passwords=["+x"], commands=["+@all", "-info"], keys=["*"])
        member = enlist(redis_url.replace("//", "//shy:x@"), leased=False)
        member.worker.start()
        until(lambda: member.follower._failures >= 3, "it has tried")
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert [record.getMessage().count('redis_identity="none"') for record in errors] == [1]
        assert not member.follower.leased.done()
        assert "INFO" in member.follower.trouble
        redis.execute_command("ACL", "SETUSER", "shy", "+info")  # type: ignore[no-untyped-call]
        assert member.follower.leased.result(10)
        assert not member.follower.trouble
        redis.acl_deluser("shy")

    def test_stranger(self, namespace: str, ended: ExitStack) -> None:
        """What answers but is no Redis gives no lease and does no harm."""
        stranger = ended.enter_context(_Stranger(b"+PONG\r\n"))
        connect = lambda timeout: Link(stranger.url, namespace, timeout=timeout)  # noqa: E731
        follower = Follower(Clock(), connect, lease=0.5, reset=lambda: None)
        follower.start()
        until(lambda: follower._failures >= 2, "it has tried")
        assert follower.running
        assert not follower.leased.done()
        follower.stop()

    @pytest.mark.logs("following the purge log failed", "lease lost")
    def test_fault_of_its_own(self, enlist: Enlist, redis_url: str) -> None:
        """A fault in what it calls costs the lease for a moment and everything held, and the thread goes on."""
        left = [ZeroDivisionError("planted")]

        def tend() -> None:
            if left and member.sure:
                raise left.pop()

        member = enlist(redis_url, lease=0.5, leased=False, tend=tend)
        member.worker.start()
        until(lambda: member.resets >= 2 and member.sure, "it starts anew and the lease is back")
        assert not left
        assert member.follower.running


class TestClocksOfTheMachine:
    """A machine whose clocks part may have been frozen."""

    def test_lease_is_renewed(self, redis_url: str, namespace: str, caplog: pytest.LogCaptureFixture) -> None:
        """When wall clock and monotonic clock part by more than a second the lease is dropped before it is renewed."""
        caplog.set_level(logging.INFO, "cms_cache_mw")
        offset = 0.0
        connect = lambda timeout: Link(redis_url, namespace, timeout=timeout)  # noqa: E731
        follower = Follower(
            Clock(), connect, lease=0.3, reset=lambda: None, wall=lambda: boottime() + offset, now=boottime
        )
        follower.start()
        assert follower.leased.result(10)
        offset = 0.9
        until(lambda: follower._apart > 0.5, "a small step is noticed")
        assert "parted" not in caplog.text
        offset = -3600.0
        until(lambda: "parted" in caplog.text, "a jump is noticed")
        until(lambda: follower.clock.holds(boottime()), "the lease is back")
        follower.stop()


class TestSteps:
    """Single steps of the thread, taken here by hand."""

    @pytest.fixture
    def follower(self, link: Link) -> Follower:
        """A follower that has entered the epoch and has its first lease; its thread does not run."""
        follower = Follower(Clock(), lambda _: link, lease=30.0, reset=lambda: None)
        follower._enter(link)
        assert follower._renew(link)
        assert follower.clock.holds(boottime())
        return follower

    @pytest.mark.logs("starting cold")
    def test_lost_epoch_ends_the_lease_at_once(self, follower: Follower, link: Link, redis: Redis) -> None:
        """When a renewal finds another history the lease is gone before anything else is asked."""
        redis.flushall()
        assert not follower._renew(link)
        assert not follower.clock.holds(boottime())

    @pytest.mark.logs("trimmed past")
    def test_gap_ends_the_lease_at_once(
        self, follower: Follower, link: Link, redis: Redis, key: Callable[[str], str]
    ) -> None:
        """So when the log was trimmed past the worker."""
        for tag in range(3):
            record(link, tag)
        redis.xtrim(key("log"), 1, approximate=False)
        assert not follower._renew(link)
        assert not follower.clock.holds(boottime())

    def test_who_stops_is_given_nothing(self, follower: Follower, link: Link) -> None:
        """An answer that comes when the worker has been stopped gives no lease."""
        follower.clock.revoke()
        follower._stopping.set()
        follower._renew(link)
        assert not follower.clock.holds(boottime())

    def test_news_are_acknowledged_before_the_next_wait(self, follower: Follower, link: Link, redis: Redis) -> None:
        """A lease that came with news is followed by another renewal at once, which is the acknowledgement."""
        record(link, PAGE)
        assert not follower._renew(link)
        assert follower.clock.token.pos == 2
        assert link.behind(2) == [(follower.worker, 1)]
        assert follower._renew(link)
        assert link.behind(2) == []


class TestServersThatNeedAWord:
    """What weakens the promise is said once, at the start."""

    @pytest.mark.logs("min-replicas-to-write is 0")
    def test_replicas_without_a_minimum(
        self,
        enlist: Enlist,
        own_server: Server,
        server_kind: Kind,
        key: Callable[[str], str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Replicas that a cut-off primary does not need are reported; purgers wait for what it may still grant."""
        with Server(server_kind, {"replicaof": f"127.0.0.1 {own_server.port}"}) as replica:
            until(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica follows")
            member = enlist(own_server.url)
            assert "1 replicas" in caplog.text
            assert own_server.client().zscore(key("leases"), member.name) == 12_000
            member.close()

    def test_replicas_with_a_minimum(
        self, enlist: Enlist, own_server: Server, server_kind: Kind, key: Callable[[str], str]
    ) -> None:
        """With a minimum there is nothing to report, and its lag is what counts."""
        own_server.client().config_set("min-replicas-max-lag", "4")
        with Server(server_kind, {"replicaof": f"127.0.0.1 {own_server.port}"}) as replica:
            until(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica follows")
            own_server.client().config_set("min-replicas-to-write", "1")
            member = enlist(own_server.url)
            assert own_server.client().zscore(key("leases"), member.name) == 6_000
            member.close()

    @pytest.mark.logs("allkeys-lru")
    def test_eviction_of_any_key(self, enlist: Enlist, own_server: Server, caplog: pytest.LogCaptureFixture) -> None:
        """A policy that evicts the clock's own keys is reported once, however often the connection is made."""
        own_server.client().config_set("maxmemory-policy", "allkeys-lru")
        member = enlist(own_server.url, lease=3.0)
        own_server.client().client_kill_filter(_type="normal", skipme=True)
        until(lambda: len(own_server.client().client_list(_type="normal")) >= 2, "it is connected again")
        until(lambda: member.follower._failures == 0, "and well")
        assert caplog.text.count("allkeys-lru") == 1


class TestSilence:
    """In a quiet minute somebody tries whether purges get through."""

    def test_one_trial_for_all(self, enlist: Enlist, redis_url: str, link: Link) -> None:
        """Whose minute is over first purges nothing; for the others the minute begins anew, and the time it took is kept."""
        first, *others = [enlist(redis_url, lease=0.3) for _ in range(3)]
        due = boottime() + 5
        for member in others:
            member.follower._quiet_at = due
        first.follower._quiet_at = 0.0
        until(lambda: first.worker.propagation is not None, "the trial is done")
        entries = link.follow(first.render().epoch, 1, 0.1)
        assert [(entry.kind, entry.prints) for entry in entries] == [("noop", ())]
        until(lambda: all(member.follower._quiet_at > due + 50 for member in others), "the others refrain")
        assert [member.worker.propagation for member in others] == [None, None]
        assert first.worker.propagation
        assert 0.3 <= first.worker.propagation < 5
        assert first.follower._quiet_at > boottime() + 50

    def test_purge_is_trial_enough(self, enlist: Enlist, redis_url: str, link: Link) -> None:
        """The minute begins anew with each purge."""
        member = enlist(redis_url, lease=0.3)
        member.follower._quiet_at = boottime() + 30
        applied(member, record(link, PAGE))
        until(lambda: member.follower._quiet_at > boottime() + 50, "the minute begins anew", 5.0)
        assert member.worker.propagation is None

    def test_once_a_minute(self, link: Link) -> None:
        """A trial is made once when the minute is over, and not again while it is on its way."""
        made: list[str] = []
        follower = Follower(
            Clock(), lambda _: link, lease=1.0, reset=lambda: None, quiet=lambda: made.append("a trial")
        )
        follower._break_silence()
        assert made == []
        follower._quiet_at = boottime()
        follower._break_silence()
        follower._break_silence()
        assert made == ["a trial"]

    @pytest.mark.logs("lease lost")
    def test_unregisters_the_dead(self, enlist: Enlist, redis_url: str, proxy: Proxy, link: Link) -> None:
        """After a trial nobody waits for a worker that has died."""
        alive, dead = enlist(redis_url, lease=0.5), enlist(proxy.url, lease=0.5)
        proxy.hold()
        alive.follower._quiet_at = 0.0
        until(lambda: dead.name.encode() not in dict(link.behind(99)), "the dead one is off the registry")
        assert alive.name.encode() in dict(link.behind(99))
        dead.follower._stopping.set()


class TestEnding:
    """Who stops is waited for by nobody."""

    def test_leaves_the_registry(self, enlist: Enlist, redis_url: str, redis: Redis, key: Callable[[str], str]) -> None:
        """After `stop` there is no lease, no thread and no registration, however long a read was blocked."""
        member = enlist(redis_url, lease=30.0)
        began = boottime()
        member.close()
        assert boottime() - began < 8, "a third of the lease is what a read may take"
        assert not member.sure
        assert not member.follower.running
        assert redis.zscore(key("acks"), member.name) is None

    def test_again_and_before(self, redis_url: str, namespace: str) -> None:
        """Stopping what never started, or twice, does nothing; neither does starting twice."""
        connect = lambda timeout: Link(redis_url, namespace, timeout=timeout)  # noqa: E731
        idle = Follower(Clock(), connect, lease=1.0, reset=lambda: None)
        idle.stop()
        assert not idle.running
        follower = Follower(Clock(), connect, lease=1.0, reset=lambda: None)
        follower.start()
        follower.start()
        assert [thread.name for thread in threading.enumerate()].count("cms-cache-follower") == 1
        assert follower.leased.result(10)
        follower.stop()
        follower.stop()

    def test_without_a_server(self, enlist: Enlist, proxy: Proxy) -> None:
        """With a server that does not answer `stop` ends all the same, and the thread with it."""
        member = enlist(proxy.url, lease=0.5)
        proxy.hold()
        began = boottime()
        member.close()
        assert boottime() - began < 5
        assert not member.follower.running
        assert not member.sure

    def test_takes_no_lease_that_comes_late(self, enlist: Enlist, proxy: Proxy) -> None:
        """An answer that arrives while the worker stops gives it no lease any more."""
        member = enlist(proxy.url, lease=3.0)
        proxy.delay(0.3, "replies")
        until(lambda: member.worker.clock.state.lease_until - boottime() < 1.9, "a renewal is on its way")
        ending = threading.Thread(target=member.close)
        ending.start()
        until(member.follower._stopping.is_set, "it stops")
        while ending.is_alive():
            assert not member.sure
            ending.join(0.01)
        assert not member.sure


class _Stranger:
    """A server that gives the same answer to everything."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            connection.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._reply, args=(connection,)))
            self._threads[-1].start()

    def _reply(self, connection: socket.socket) -> None:
        try:
            while asked := connection.recv(65_536):
                connection.sendall(self._answer * asked.count(b"*"))
        except OSError:
            pass  # the other side has had enough


def _and_then(first: Callable[..., object], second: Callable[[], object]) -> Callable[..., None]:
    """`first`, and once after it `second`."""
    left = [second]

    def both(*arguments: object) -> None:
        first(*arguments)
        if left:
            left.pop()()

    return both


def _persistently(call: Callable[[], int]) -> int:
    """The result of a call that may lose its connection."""
    found: list[int] = []

    def tried() -> bool:
        try:
            found.append(call())
        except link_module.LinkError:
            return False
        return True

    until(tried, "the call succeeds")
    return found[0]
