"""A worker in a process of its own: `python -m tests.purge.alone WHAT URL NAMESPACE LEASE`, one word a line on its output."""

from __future__ import annotations

import os
import sys
import time

from cms_cache_mw import Cache, Config
from cms_cache_mw.stores.ticker import boottime
from tests.purge.member import Member, Page


def say(*words: object) -> None:
    """Write a line that is read at once."""
    print(*words, flush=True)  # noqa: T201 - what it is for


def serve(url: str, namespace: str, lease: float) -> None:
    """Hold a lease and judge the same entry for ever, each time with the instant at which that began."""
    member = Member(url, namespace, lease=lease)
    member.start()
    page = member.render(5)
    say("ready", member.name)
    while True:
        began = time.monotonic()
        why = member.verdict(page)
        say(began, "valid" if why is None else why.name)
        time.sleep(0.002)


def command(url: str, namespace: str, lease: float) -> None:
    """Purge like a command line that has just been started: no follower, one purge, the end."""
    member = Member(url, namespace, lease=lease)
    import redis  # noqa: F401 - its import is not what is measured

    began = time.monotonic()
    ticket = member.worker.purge({5})
    assert ticket.done.result(30)
    say("done", time.monotonic() - began)
    member.close()


def careless(url: str, namespace: str, lease: float) -> None:
    """Purge as the last thing before the end, and wait for nothing."""
    cache = Cache(Config(redis_url=url, namespace=namespace, lease_seconds=lease))
    cache.worker.purge({5}, names=["page:5"])


def fork(url: str, namespace: str, lease: float) -> None:
    """Warm up, fork, and say what the child has of it at once and after a while."""
    cache = Cache(Config(redis_url=url, namespace=namespace, lease_seconds=lease))
    cache.start()
    assert cache.worker.follower
    cache.worker.follower.leased.result(10)
    token, name = cache.worker.clock.token, cache.worker.follower.worker
    child = os.fork()
    if not child:
        page = Page(token.epoch, token.pos, (5,))
        clock = cache.worker.clock
        say("child", cache.sure, clock.check(page, boottime()), cache.worker.follower)
        cache.start()
        own = cache.worker.follower
        assert own is not None
        say("leased", own.leased.result(10), own.worker != name)
        cache.close()
        os._exit(0)
    os.waitpid(child, 0)
    say("parent", cache.sure, cache.worker.follower.running)
    cache.close()


if __name__ == "__main__":
    {"serve": serve, "command": command, "careless": careless, "fork": fork}[sys.argv[1]](
        sys.argv[2], sys.argv[3], float(sys.argv[4])
    )
