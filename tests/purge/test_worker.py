"""A process as a member: together with others, killed, stopped and continued, forked, alone without Redis."""

from __future__ import annotations

import sys
import time
import types
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.status import Reason
from cms_cache_mw.purge.lease import longest
from cms_cache_mw.purge.wire import packed
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.shared import LoopShared
from tests.purge.member import Member, settled
from tests.support.process import Process
from tests.support.site import ROOT
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from cms_cache_mw.purge.link import Link
    from tests.purge.member import Enlist

PAGE, MENU = 5, 6
MARGIN = 0.4
"""Seconds that a busy machine may take beyond what is promised."""


@pytest.fixture
def launch(
    redis_url: str, namespace: str, tmp_path: Path, ended: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Process]:
    """Starts `alone` in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def launch(what: str, lease: float, url: str = redis_url) -> Process:
        log = tmp_path / f"{what}.log"
        process = Process([sys.executable, "-m", "tests.purge.alone", what, url, namespace, str(lease)], log)
        ended.callback(process.kill)
        return process

    return launch


def ready(process: Process) -> str:
    """The name in the registry of a process that serves."""
    until(lambda: "valid" in process.output, "the process serves", 30)
    return process.output.split()[1]


class TestKilled:
    """A process that dies or is stopped costs one lease, once."""

    def test_killed(self, enlist: Enlist, redis_url: str, launch: Callable[..., Process]) -> None:
        """After SIGKILL the first purge takes a lease and the second does not."""
        alive = enlist(redis_url, lease=1.0)
        alive.settle()
        process = launch("serve", 1.0)
        name = ready(process)
        assert alive.purge(MENU).waited < 0.8
        process.kill()
        first, second = alive.purge(PAGE), alive.purge(PAGE)
        assert 0.5 <= first.waited <= longest(1.0) + MARGIN
        assert first.evicted == (name,)
        assert second.waited < 0.5

    @pytest.mark.parametrize("pause", [0.2, 1.2, 2.5])
    def test_stopped_and_continued(
        self, enlist: Enlist, redis_url: str, launch: Callable[..., Process], pause: float
    ) -> None:
        """A process that was stopped during a purge serves nothing older once it goes on, whenever that is."""
        alive = enlist(redis_url, lease=0.8)
        alive.settle()
        process = launch("serve", 0.8)
        ready(process)
        process.pause()
        stopped = time.monotonic()
        ticket = alive.worker.purge({PAGE})
        time.sleep(max(0.0, stopped + pause - time.monotonic()))
        process.resume()
        assert ticket.done.result(10)
        answered = time.monotonic()
        assert ticket.waited <= longest(0.8) + MARGIN
        until(lambda: "PURGED" in process.output, "it has caught up")
        judged = [line.split() for line in process.output.splitlines()[1:] if line.count(" ") == 1]
        assert {why for _, why in judged} <= {"valid", "UNSURE", "PURGED"}
        assert max(float(began) for began, why in judged if why == "valid") < answered

    def test_sudden_command_line(self, redis_url: str, link: Link, launch: Callable[..., Process]) -> None:
        """A process that has just started and follows nothing purges as fast as a worker, in an epoch that has settled."""
        settled(link)
        process = launch("command", 20.0)
        until(lambda: "done" in process.output, "it is done", 30)
        assert float(process.output.split()[1]) < 1.0

    def test_purge_at_the_end(self, link: Link, launch: Callable[..., Process]) -> None:
        """A program that purges and ends without waiting has purged."""
        settled(link)
        process = launch("careless", 1.0)
        until(lambda: not process.alive, "it has ended", 30)
        assert "never took" not in process.output
        assert packed([PAGE]) in {packed(entry.prints) for entry in link.follow(link.join(0, 0, b"", 1).epoch, 1, 0.1)}

    def test_purge_at_the_end_without_redis(self, launch: Callable[..., Process]) -> None:
        """Where Redis is away its end names what was never recorded."""
        process = launch("careless", 1.0, url="redis://127.0.0.1:1/0")
        until(lambda: not process.alive, "it has ended", 30)
        assert "never took (1): page:5" in process.output


def test_forked_child_starts_with_nothing(launch: Callable[..., Process], link: Link) -> None:
    """A child of a warm process has no lease, entries or follower of its parent's, gets its own, and leaves the parent's alone."""
    process = launch("fork", 1.0)
    until(lambda: not process.alive, "it has ended", 30)
    lines = [line for line in process.output.splitlines() if line.startswith(("child", "leased", "parent"))]
    assert lines == ["child False unsure None", "leased True True", "parent True True"]
    assert link.behind(99) == []


class TestChecking:
    """Entries from Redis that are older than what the worker remembers."""

    @staticmethod
    def entry(member: Member, base: int, *tags: int) -> Entry:
        """An entry of the member's epoch."""
        epoch = member.worker.clock.token.epoch
        return Entry(200, (), b"", Freshness(60), born=0, epoch=epoch, base=base, prints=tags)

    async def test_server_decides(self, enlist: Enlist, redis_url: str, link: Link) -> None:
        """What was not purged since is valid as of now; what was, or is of another history, is not."""
        member = enlist(redis_url, lease=30.0)
        for tag in (PAGE, MENU):
            seq = link.purge(packed([tag]), kind="hard").seq
        until(lambda: member.worker.clock.token.pos == seq, "both are applied")
        shared = LoopShared(redis_url, Breaker(), timeout=5.0)
        try:
            validated = member.worker.validated
            assert await validated(shared, self.entry(member, 1, 99), 5.0) == 3
            assert await validated(shared, self.entry(member, 1, PAGE), 5.0) is None
            assert await validated(shared, self.entry(member, 2, PAGE), 5.0) == 3
            assert await validated(shared, self.entry(member, 2, MENU), 5.0) is None
            member.worker.clock.state.tip = b"another"
            assert await validated(shared, self.entry(member, 1, 99), 5.0) is None
        finally:
            await shared.close()


class TestMemoryOnly:
    """Without Redis."""

    def test_purge_reaches_this_process(self, namespace: str) -> None:
        """A purge is done at once, and says that it reached nobody else."""
        member = Member(None, namespace, lease=1.0)
        member.worker.start()
        assert member.worker.follower is None
        assert member.worker.scope == "process"
        assert member.worker.unrecorded == 0
        page = member.render(PAGE)
        assert member.verdict(page) is None
        member.purge(PAGE)
        assert member.verdict(page) is Reason.PURGED
        member.close()


class TestLife:
    """Beginning and end."""

    def test_starts_once(self, enlist: Enlist, redis_url: str) -> None:
        """Starting again changes nothing, and after the end there is no new beginning."""
        member = enlist(redis_url)
        follower = member.follower
        member.worker.start()
        assert member.follower is follower
        member.close()
        member.close()
        member.worker.start()
        assert member.follower is follower
        assert not follower.running

    def test_never_started(self, redis_url: str, namespace: str) -> None:
        """Who has stopped before it began does not begin."""
        member = Member(redis_url, namespace, lease=1.0)
        member.close()
        member.worker.start()
        assert member.worker.follower is None

    def test_purge_after_the_end(self, redis_url: str, namespace: str) -> None:
        """A purge after the end is not recorded, and its ticket says so."""
        member = Member(redis_url, namespace, lease=1.0)
        member.close()
        ticket = member.worker.purge({PAGE})
        assert "stopped" in ticket.trouble
        assert not ticket.recorded.done()
        assert member.worker.unrecorded == 1

    def test_counts_what_is_not_recorded(self, namespace: str, ended: ExitStack) -> None:
        """A worker without a purge has none to record."""
        member = Member("redis://127.0.0.1:1/0", namespace, lease=1.0)
        ended.callback(member.close)
        assert member.worker.unrecorded == 0


class TestWithoutThreads:
    """Processes in which a follower could not run beside the application are refused with a sentence."""

    def test_gevent(self, monkeypatch: pytest.MonkeyPatch, namespace: str) -> None:
        """Threads that gevent has replaced cannot acknowledge while the application is busy."""
        monkey = types.ModuleType("gevent.monkey")
        monkey.is_module_patched = lambda name: name == "threading"  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
        with pytest.raises(RuntimeError, match="gevent has patched threading"):
            Member("redis://127.0.0.1:1/0", namespace, lease=1.0)
        assert Member(None, namespace, lease=1.0).worker.scope == "process"
        monkey.is_module_patched = lambda _: False  # type: ignore[attr-defined]
        assert Member("redis://127.0.0.1:1/0", namespace, lease=1.0).worker.scope == "everywhere"

    @pytest.mark.parametrize("option", [b"enable-threads", b"threads", "enable-threads", "threads"])
    def test_uwsgi(self, monkeypatch: pytest.MonkeyPatch, namespace: str, option: str | bytes) -> None:
        """So for uWSGI without threads; with them it is fine."""
        uwsgi = types.ModuleType("uwsgi")
        uwsgi.opt = {"http": b":8000"}  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
        with pytest.raises(RuntimeError, match="start it with --enable-threads"):
            Member("redis://127.0.0.1:1/0", namespace, lease=1.0)
        uwsgi.opt = {option: True}  # type: ignore[attr-defined]
        assert Member("redis://127.0.0.1:1/0", namespace, lease=1.0).worker.scope == "everywhere"
