"""The barrier: a purge is done when nobody can serve what was rendered before it, and not an instant earlier."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw.core.status import Reason
from cms_cache_mw.purge import barrier as barrier_module
from cms_cache_mw.purge.barrier import Barrier
from cms_cache_mw.purge.lease import longest
from cms_cache_mw.purge.link import Link
from cms_cache_mw.purge.ticket import MAX_PENDING
from cms_cache_mw.purge.wire import packed
from cms_cache_mw.stores.ticker import boottime
from tests.purge.member import EVERYTHING, settled
from tests.support.process import Port
from tests.support.proxy import Proxy
from tests.support.server import Server
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from redis import Redis

    from cms_cache_mw.purge.clock import Logged
    from tests.purge.member import Enlist, Member

PAGE, MENU = 5, 6
MARGIN = 0.4
"""Seconds that a busy machine may take beyond what is promised."""


@pytest.fixture
def redis(redis_server: Server) -> Redis:
    """A plain client of the server."""
    return redis_server.client()


@pytest.fixture
def proxy(redis_server: Server, redis_url: str) -> Iterator[Proxy]:
    """A way to the empty server that can be disturbed."""
    with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def barrier(namespace: str, ended: ExitStack) -> Callable[..., Barrier]:
    """Makes barriers of processes that serve nothing: a command line, a cron job."""

    def make(url: str, lease: float = 0.5, **options: Any) -> Barrier:  # noqa: ANN401
        made = Barrier(
            lambda timeout: Link(url, namespace, timeout=timeout, **options), lease=lease, everything=EVERYTHING
        )
        ended.callback(made.close)
        return made

    return make


def _raise(*_: object) -> None:
    raise ZeroDivisionError("planted")


def history(link: Link) -> list[Logged]:
    """The log of the epoch in force."""
    return link.follow(link.join(0, 0, b"", 0.1).epoch, 1, 0.01)


class TestDone:
    """Everybody registered has acknowledged."""

    def test_at_the_last_acknowledgement(self, enlist: Enlist, redis_url: str) -> None:
        """With everybody alive a purge is done long before any lease ends, and is in force everywhere then."""
        members = [enlist(redis_url, lease=2.0) for _ in range(4)]
        members[0].settle()
        for _ in range(5):
            pages = [member.render(PAGE) for member in members]
            ticket = members[1].purge(PAGE)
            assert [member.verdict(page) for member, page in zip(members, pages, strict=True)] == [Reason.PURGED] * 4
            assert ticket.waited < 1.0
            assert ticket.evicted == ()

    def test_not_before_the_slowest(self, enlist: Enlist, redis_url: str, proxy: Proxy) -> None:
        """One worker that is slow to acknowledge holds the purge up for as long as it takes."""
        quick, slow = enlist(redis_url, lease=3.0), enlist(proxy.url, lease=3.0)
        quick.settle()
        proxy.delay(0.3)
        page = slow.render(PAGE)
        ticket = quick.worker.purge({PAGE})
        assert ticket.done.result(5)
        assert slow.verdict(page) is Reason.PURGED
        assert ticket.waited >= 0.3
        assert ticket.evicted == ()

    def test_nobody_serves(self, barrier: Callable[..., Barrier], redis_url: str, link: Link) -> None:
        """In a settled epoch without workers a purge is done when it is recorded."""
        settled(link)
        ticket = barrier(redis_url, lease=60.0).purge({PAGE})
        assert ticket.done.result(5)
        assert ticket.recorded.result(0)

    def test_new_epoch_proves_nothing(self, enlist: Enlist, redis_url: str) -> None:
        """In an epoch that has just begun acknowledgements do not count: leases of the old one may still run."""
        member = enlist(redis_url, lease=0.6)
        ticket = member.purge(PAGE)
        assert not ticket.settled
        assert longest(0.6) <= ticket.waited <= longest(0.6) + MARGIN
        until(lambda: member.purge().settled, "it has been known for long enough")
        assert member.purge(PAGE).waited < 0.5

    def test_kinds(self, enlist: Enlist, redis_url: str) -> None:
        """Soft purges and trials wait as hard ones do."""
        first, second = enlist(redis_url), enlist(redis_url)
        first.settle()
        page, other = second.render(PAGE), second.render(MENU)
        assert first.purge(PAGE, kind="soft", grace=60).seq
        assert second.verdict(page) is Reason.SOFT_PURGED
        assert first.purge(kind="noop").seq == second.worker.clock.token.pos
        assert second.verdict(other) is None


class TestSilentWorker:
    """Who does not acknowledge is waited for until its lease must have ended, once."""

    @pytest.mark.logs("lease lost")
    def test_costs_one_lease_once(self, enlist: Enlist, redis_url: str, proxy: Proxy) -> None:
        """The purge is done when the lease of the silent one has ended, and not before; the next one is fast."""
        alive, silent = enlist(redis_url, lease=0.8), enlist(proxy.url, lease=0.8)
        alive.settle()
        page = silent.render(PAGE)
        assert silent.verdict(page) is None
        proxy.hold()
        ticket = alive.worker.purge({PAGE})
        assert ticket.done.result(5)
        assert silent.verdict(page) is Reason.UNSURE
        assert longest(0.8) <= ticket.waited <= longest(0.8) + MARGIN
        assert ticket.evicted == (silent.name,)
        assert alive.purge(PAGE).waited < 0.5
        proxy.heal()
        until(lambda: silent.sure, "it is back")
        assert silent.verdict(page) is Reason.PURGED

    @pytest.mark.logs("lease lost")
    def test_longer_lease_of_somebody_else(self, enlist: Enlist, redis_url: str, proxy: Proxy) -> None:
        """Not the purger's own lease counts but the longest that is registered, for as long as it is."""
        alive, silent = enlist(redis_url, lease=0.3), enlist(proxy.url, lease=1.2)
        alive.settle()
        proxy.hold()
        ticket = alive.purge(PAGE)
        assert longest(1.2) <= ticket.waited <= longest(1.2) + MARGIN
        alive.follower._stopping.set()
        until(lambda: not alive.follower.running, "nobody is left")
        assert longest(0.3) <= alive.purge(PAGE).waited <= longest(0.3) + MARGIN
        silent.follower._stopping.set()

    @pytest.mark.logs("lease lost")
    def test_who_it_waits_for(self, enlist: Enlist, redis_url: str, proxy: Proxy) -> None:
        """While it waits a ticket says for whom, and until when at the latest."""
        alive, silent = enlist(redis_url, lease=1.5), enlist(proxy.url, lease=1.5)
        alive.settle()
        proxy.hold()
        ticket = alive.worker.purge({PAGE})
        until(lambda: ticket.waiting_for == (silent.name,), "it says so", seconds=1.0)
        assert ticket.recorded.done()
        assert 0 < ticket.certain_at - boottime() <= longest(1.5)
        assert ticket.done.result(5)
        assert ticket.waiting_for == ()

    @pytest.mark.logs("lease lost")
    def test_many_purges_wait_together(self, enlist: Enlist, redis_url: str, proxy: Proxy, redis: Redis) -> None:
        """Purges that wait for the same worker are done together, each at its own time or before."""
        alive, silent = enlist(redis_url, lease=0.8), enlist(proxy.url, lease=0.8)
        alive.settle()
        proxy.hold()
        tickets = []
        for _ in range(20):
            tickets.append(alive.worker.purge({PAGE}))
            assert tickets[-1].recorded.result(5)
        for ticket in tickets:
            assert ticket.done.result(5)
            assert ticket.done_at <= ticket.certain_at + MARGIN
        assert tickets[0].done_at >= tickets[0].certain_at
        assert silent.name in tickets[0].evicted

    def test_granted_and_not_heard_of_since(self, link: Link, barrier: Callable[..., Barrier], redis_url: str) -> None:
        """Who got a lease with the purge stays registered when the wait is over; the next purge has to wait for it."""
        settled(link)
        joined = link.join(0, 0, b"", 0.1)
        link.renew(joined.epoch, joined.seq, joined.tip, b"late", lease=0.4)
        purger = barrier(redis_url)
        first = purger.purge({PAGE})
        assert first.recorded.result(5)
        link.renew(joined.epoch, joined.seq, joined.tip, b"late", lease=0.4)
        assert first.done.result(5)
        assert first.evicted == ()
        second = purger.purge({PAGE})
        assert second.done.result(5)
        assert second.evicted == ("late",)
        assert second.waited >= longest(0.4)


class TestRecording:
    """What Redis does not take stays with the process."""

    @pytest.mark.logs("never took")
    def test_without_redis(self, barrier: Callable[..., Barrier]) -> None:
        """Without Redis nothing is recorded or done, the ticket says why, and the end names what was lost."""
        port = Port()
        purger = barrier(f"redis://127.0.0.1:{port.number}/0")
        ticket = purger.purge({PAGE}, names=["block:7"])
        until(lambda: "ConnectionError" in ticket.trouble, "it says why")
        assert purger.unrecorded == 1
        assert not ticket.recorded.done()
        port.release()

    @pytest.mark.logs("never took")
    def test_names_what_was_lost(self, barrier: Callable[..., Barrier], caplog: pytest.LogCaptureFixture) -> None:
        """At the end the targets of purges that were never recorded are in the log, by name where one is known."""
        port = Port()
        purger = barrier(f"redis://127.0.0.1:{port.number}/0")
        purger.purge({PAGE}, names=["block:7"])
        purger.purge({0xBEEF}, kind="soft")
        purger.close()
        assert "block:7, 000000000000beef" in caplog.text
        assert "(2)" in caplog.text
        late = purger.purge({MENU})
        assert "stopped" in late.trouble
        purger.close()
        assert caplog.text.count("never took") == 1
        port.release()

    def test_when_redis_is_back(self, barrier: Callable[..., Barrier], proxy: Proxy, link: Link) -> None:
        """Purges that gathered while Redis was away are recorded together when it answers again."""
        settled(link)
        purger = barrier(proxy.url)
        proxy.refuse()
        first = purger.purge({10})
        until(lambda: bool(first.trouble), "the first attempt has failed")
        tickets = [purger.purge({number}) for number in range(20, 120)]
        assert purger.unrecorded <= 2
        proxy.heal()
        assert wait([ticket.done for ticket in (first, *tickets)], 10).not_done == set()
        assert not first.trouble
        purged = {tag for entry in history(link) for tag in entry.prints}
        assert purged == {10, *range(20, 120)}
        assert len(history(link)) <= 2

    def test_too_many_become_everything(self, barrier: Callable[..., Barrier], proxy: Proxy, link: Link) -> None:
        """Past 10,000 tags the purges that gather while Redis is away are one of everything."""
        settled(link)
        purger = barrier(proxy.url)
        proxy.refuse()
        first = purger.purge({10})
        until(lambda: bool(first.trouble), "the first attempt has failed")
        tickets = [purger.purge(range(start, start + 2_000)) for start in range(0, MAX_PENDING + 2_000, 2_000)]
        proxy.heal()
        assert wait([ticket.done for ticket in (first, *tickets)], 10).not_done == set()
        assert EVERYTHING in {tag for entry in history(link) for tag in entry.prints}
        assert all(len(entry.prints) <= MAX_PENDING for entry in history(link))

    def test_crowd_is_not_everything(self, barrier: Callable[..., Barrier], proxy: Proxy, link: Link) -> None:
        """As long as Redis answers a crowd of large purges is recorded as it is."""
        settled(link)
        purger = barrier(proxy.url)
        assert purger.purge({10}).done.result(5)
        proxy.delay(0.2)
        purger.purge({11})
        tickets = [purger.purge(range(start, start + 4_000)) for start in range(1_000, 21_000, 4_000)]
        assert wait([ticket.done for ticket in tickets], 10).not_done == set()
        purged = [tag for entry in history(link) for tag in entry.prints]
        assert set(purged) == {10, 11, *range(1_000, 21_000)}

    def test_calls_that_come_together_share_a_number(
        self, barrier: Callable[..., Barrier], proxy: Proxy, link: Link
    ) -> None:
        """What is called while a purge is on its way goes together in the next."""
        settled(link)
        purger = barrier(proxy.url)
        assert purger.purge({1}).done.result(5)
        proxy.delay(0.2)
        first = purger.purge({2})
        until(lambda: purger._recording is first, "the first is on its way")
        tickets = [purger.purge({number}) for number in range(3, 50)]
        soft = purger.purge({60}, kind="soft", grace=1)
        assert wait([ticket.done for ticket in (first, soft, *tickets)], 10).not_done == set()
        assert len({ticket.seq for ticket in tickets}) == 1
        assert [set(entry.prints) for entry in history(link)] == [{1}, {2}, set(range(3, 50)), {60}]

    def test_answer_that_was_lost(self, barrier: Callable[..., Barrier], proxy: Proxy, link: Link) -> None:
        """A purge whose answer never came may have been recorded: it is recorded again."""
        settled(link)
        purger = barrier(proxy.url)
        assert purger.purge({1}).done.result(5)
        proxy.hold("replies")
        ticket = purger.purge({PAGE})
        until(lambda: len(history(link)) == 2, "it is recorded")
        assert not ticket.recorded.done()
        proxy.cut()
        proxy.heal()
        assert ticket.done.result(5)
        assert [entry.prints for entry in history(link)] == [(1,), (PAGE,), (PAGE,)]
        assert ticket.seq == history(link)[-1].seq

    def test_no_memory_left(self, own_server: Server, namespace: str, barrier: Callable[..., Barrier]) -> None:
        """A server without memory takes no purge; when it has some again the purge is recorded and done."""
        link = Link(own_server.url, namespace, timeout=2.0)
        settled(link)
        own_server.client().config_set("maxmemory", "1")
        purger = barrier(own_server.url)
        ticket = purger.purge({PAGE})
        until(lambda: bool(ticket.trouble), "it is refused")
        assert not ticket.recorded.done()
        assert history(link) == []
        own_server.client().config_set("maxmemory", "0")
        assert ticket.done.result(5)
        purger.close()
        link.close()

    def test_unconfirmed_by_replicas(self, own_server: Server, namespace: str, ended: ExitStack) -> None:
        """A purge that too few replicas have is not answered as recorded, however well the primary knows it."""
        connect = lambda timeout: Link(own_server.url, namespace, timeout=timeout, replicas=1)  # noqa: E731
        purger = Barrier(connect, lease=0.3, everything=EVERYTHING)
        ticket = purger.purge({PAGE}, names=["page:5"])
        until(lambda: "0 of 1 replicas" in ticket.trouble, "it is not confirmed")
        assert not ticket.recorded.done()
        replica = ended.enter_context(Server(own_server.kind, {"replicaof": f"127.0.0.1 {own_server.port}"}))
        assert ticket.done.result(20)
        assert replica.client().zscore(f"{{{namespace}}}:clock:tags", packed([PAGE])) == ticket.seq
        purger.close()

    @pytest.mark.logs("met with a fault")
    @pytest.mark.parametrize("name", ["_recorded", "_look"])
    def test_fault_of_its_own(self, enlist: Enlist, redis_url: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """A fault in either thread is said, and what waits is done all the same."""
        member = enlist(redis_url, lease=0.5)
        member.settle()
        with monkeypatch.context() as broken:
            broken.setattr(Barrier, name, _raise)
            ticket = member.worker.purge({PAGE})
            until(lambda: "planted" in ticket.trouble, "it is said")
            assert not ticket.done.done()
        assert ticket.done.result(5)
        assert not ticket.trouble


class TestLostHistory:
    """The epoch changes while a purge waits."""

    @pytest.mark.logs("starting cold", "lease lost")
    def test_recorded_again(self, enlist: Enlist, redis_url: str, proxy: Proxy, redis: Redis, link: Link) -> None:
        """A purge whose epoch is gone is recorded in the new one and waits for all leases of the old one."""
        alive, silent = enlist(redis_url, lease=0.8), enlist(proxy.url, lease=0.8)
        alive.settle()
        proxy.hold()
        ticket = alive.worker.purge({PAGE})
        assert ticket.recorded.result(5)
        epoch = ticket.epoch
        redis.flushall()
        flushed = boottime()
        assert ticket.done.result(10)
        assert ticket.epoch != epoch
        assert ticket.done_at - flushed >= longest(0.8)
        assert PAGE in {tag for entry in history(link) for tag in entry.prints}
        silent.follower._stopping.set()

    def test_numbers_of_another_epoch(
        self, barrier: Callable[..., Barrier], redis_url: str, redis: Redis, link: Link
    ) -> None:
        """That everybody is past its number in another epoch is no acknowledgement."""
        settled(link)
        joined = link.join(0, 0, b"", 0.1)
        link.renew(joined.epoch, joined.seq, joined.tip, b"silent", lease=5.0)
        purger = barrier(redis_url)
        ticket = purger.purge({PAGE})
        assert ticket.recorded.result(5)
        assert ticket.seq == 2
        redis.flushall()
        other = link.join(0, 0, b"", 1.0)
        for _ in range(5):
            link.purge(packed([MENU]), kind="hard")
        assert link.low(1, 0.1) is not None
        assert ticket.done.result(10)
        assert ticket.epoch == other.epoch
        assert (PAGE,) in [entry.prints for entry in history(link)]
        assert ticket.waited >= longest(1.0)

    @pytest.mark.logs("starting cold", "lease lost")
    def test_restarted_while_waiting(self, own_server: Server, enlist: Enlist) -> None:
        """Redis dies and comes back empty while a purge waits: it is done in the end, in a new epoch."""
        member = enlist(own_server.url, lease=0.5)
        member.settle()
        epoch = member.worker.clock.token.epoch
        own_server.pause()
        ticket = member.worker.purge({PAGE})
        own_server.restart_empty()
        assert ticket.done.result(15)
        assert ticket.epoch != epoch
        until(lambda: member.worker.clock.token.epoch == ticket.epoch, "the worker is there too")
        member.close()


class TestThreads:
    """Two threads that come and go with the work."""

    def test_end_when_there_is_nothing_to_do(
        self, barrier: Callable[..., Barrier], redis_url: str, link: Link, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a while without purges the threads are gone; the next purge starts them again."""
        settled(link)
        monkeypatch.setattr(barrier_module, "IDLE", 0.05)
        purger = barrier(redis_url)
        for _ in range(2):
            assert purger.purge({PAGE}).done.result(5)
            until(lambda: not purger._threads, "the threads have ended")
            assert not purger._links

    def test_work_that_comes_as_they_leave(
        self, enlist: Enlist, redis_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Purges that arrive at the very moment a thread ends are neither lost nor delayed."""
        member = enlist(redis_url, lease=3.0)
        member.settle()
        monkeypatch.setattr(barrier_module, "IDLE", 0.002)
        chance = random.Random(4)
        for _ in range(60):
            ticket = member.worker.purge({PAGE})
            assert ticket.done.result(2.5)
            time.sleep(chance.uniform(0, 0.005))

    def test_purges_from_many_threads(self, enlist: Enlist, redis_url: str, link: Link) -> None:
        """Many callers at once: each is answered, every tag is recorded, and numbers have no holes."""
        members = [enlist(redis_url, lease=5.0) for _ in range(2)]
        members[0].settle()
        pages = {tag: members[1].render(tag) for tag in range(100, 300)}
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda tag: members[tag % 2].purge(tag), range(100, 300)))
        assert {members[1].verdict(page) for page in pages.values()} == {Reason.PURGED}
        entries = history(link)
        assert {tag for entry in entries for tag in entry.prints} >= set(range(100, 300))
        assert max(ticket.seq for ticket in done) == entries[-1].seq == len(entries) + 1

    def test_waiters_cannot_cancel(self, enlist: Enlist, redis_url: str) -> None:
        """Somebody who gives up does not take the purge away from the others, nor from the threads."""
        member = enlist(redis_url, lease=0.5)
        ticket = member.worker.purge({PAGE})
        assert not ticket.recorded.cancel()
        assert not ticket.done.cancel()
        assert ticket.done.result(5)

    def test_told_from_any_thread(self, enlist: Enlist, redis_url: str) -> None:
        """Whoever asks to be told is told once, though it raises."""
        member = enlist(redis_url, lease=0.5)
        member.settle()
        told: list[str] = []
        ticket = member.worker.purge({PAGE})
        ticket.done.add_done_callback(lambda _: told.append(threading.current_thread().name))
        assert ticket.done.result(5)
        until(lambda: len(told) == 1, "it is told")
        assert member.purge(PAGE).done.result(0)


class TestClosing:
    """The end of a process."""

    def test_takes_a_last_purge_along(self, barrier: Callable[..., Barrier], redis_url: str, link: Link) -> None:
        """A purge that was called just before the end is recorded, without a warning."""
        settled(link)
        purger = barrier(redis_url)
        ticket = purger.purge({PAGE})
        purger.close()
        assert ticket.recorded.result(0)
        assert [entry.prints for entry in history(link)] == [(PAGE,)]

    def test_does_not_wait_for_acknowledgements(
        self, barrier: Callable[..., Barrier], redis_url: str, link: Link
    ) -> None:
        """A purge that still waits does not hold the end up, and is not called done."""
        settled(link)
        joined = link.join(0, 0, b"", 0.1)
        link.renew(joined.epoch, joined.seq, joined.tip, b"silent", lease=30.0)
        purger = barrier(redis_url)
        ticket = purger.purge({PAGE})
        assert ticket.recorded.result(5)
        began = boottime()
        purger.close()
        assert boottime() - began < 1.0
        assert not ticket.done.done()
        assert not purger._threads

    @pytest.mark.logs("never took")
    def test_does_not_hang_with_redis(self, barrier: Callable[..., Barrier], proxy: Proxy, link: Link) -> None:
        """A server that has gone mute holds the end up for a few seconds at most."""
        settled(link)
        purger = barrier(proxy.url)
        assert purger.purge({PAGE}).done.result(5)
        proxy.hold()
        purger.purge({PAGE})
        began = boottime()
        purger.close()
        assert boottime() - began < 2 * barrier_module.TIMEOUT + 1


def test_members_can_come_and_go_under_purges(enlist: Enlist, redis_url: str) -> None:
    """While workers join and leave all the time no purge is late, and each is in force wherever there is a lease."""
    stay = enlist(redis_url, lease=2.0)
    stay.settle()
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            member: Member = enlist(redis_url, lease=2.0)
            page = member.render(PAGE)
            ticket = stay.worker.purge({PAGE})
            assert ticket.done.result(5)
            assert member.verdict(page) is Reason.PURGED
            member.close()

    with ThreadPoolExecutor(3) as pool:
        visitors = [pool.submit(come_and_go) for _ in range(3)]
        waited = [stay.purge(MENU).waited for _ in range(60)]
        stop.set()
        for visitor in visitors:
            visitor.result(20)
    assert max(waited) < longest(2.0)
