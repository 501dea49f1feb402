"""`cms-cache purge`: exit code 0 means done on every worker, and nothing else does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Shell
from tests.support.origin import page
from tests.support.server import Server
from tests.support.site import ROOT, TOKEN, Site
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fragile() -> Iterator[tuple[Server, Site, Shell]]:
    """A Valkey and a site of one worker for this test alone."""
    with Server("valkey") as server, Site(server, workers=1, options={"LEASE_SECONDS": "1"}) as site:
        yield server, site, Shell(site.workers[0].url, CMS_CACHE_REDIS_URL=server.url)


def stored(site: Site, path: str) -> None:
    """Have both workers hold a page in memory."""
    for worker in site.workers:
        with worker.client() as client:
            client.get(path)
            assert client.get(path).level == "memory"


def levels(site: Site, path: str) -> list[str | None]:
    """Where each worker's next answer comes from."""
    found: list[str | None] = []
    for worker in site.workers:
        with worker.client() as client:
            found.append(client.get(path).level)
    return found


@pytest.mark.parametrize("how", [(), ("--direct",)], ids=["site", "direct"])
@pytest.mark.parametrize(
    "target",
    [
        ("block:p1",),
        ("page:x", "block:p1"),
        ("--url", "/page/block:p1"),
        ("--prefix", "/page/"),
        ("--site", "site.test"),
    ],
    ids=" ".join,
)
def test_done_means_gone_everywhere(site: Site, shell: Shell, target: tuple[str, ...], how: tuple[str, ...]) -> None:
    """After exit code 0 no worker serves from its memory what was purged, whichever way it was named."""
    path = page("block:p1")
    stored(site, path)
    ended = shell.run("purge", *target, *how)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("done on every worker: purge ")
    assert levels(site, path)[0] is None


def test_others_stay(site: Site, shell: Shell) -> None:
    """What depends on something else is not touched."""
    stored(site, page("block:p2"))
    assert shell.run("purge", "block:p3").code == 0
    assert levels(site, page("block:p2")) == ["memory", "memory"]


def test_json(shell: Shell) -> None:
    """`--json` prints what the site answered, in one line."""
    ended = shell.run("purge", "block:p4", "--json")
    assert ended.out.count("\n") == 1
    assert ended.found["state"] == "done"
    assert ended.found["scope"] == "everywhere"
    assert ended.found["seq"] > 1


def test_dry_run(site: Site, shell: Shell) -> None:
    """A dry run says what would go and takes nothing."""
    stored(site, page("block:p5"))
    ended = shell.run("purge", "block:p5", "--dry-run")
    assert ended.code == 0
    assert "1 entry would go" in ended.out
    assert page("block:p5") in ended.out
    assert levels(site, page("block:p5")) == ["memory", "memory"]


def test_soft(site: Site, shell: Shell) -> None:
    """A soft purge leaves the page usable, as stale, for the grace given."""
    stored(site, page("block:p6"))
    assert shell.run("purge", "block:p6", "--soft", "--grace", "30").code == 0
    assert levels(site, page("block:p6"))[0] is not None


def test_waits_for_a_worker_that_fell_silent(fragile: tuple[Server, Site, Shell]) -> None:
    """The command waits for a stopped worker's lease to end, then says done and names who fell silent."""
    server, _, shell = fragile
    silent = Site(server, workers=1, options={"LEASE_SECONDS": "1"})
    with silent:
        with silent.workers[0].client() as client:
            client.get(page("block:1"))
        silent.workers[0].pause()
        ended = shell.run("purge", "block:1", "--json")
        assert (ended.code, ended.found["state"]) == (0, "done")
        assert ended.found["waited_ms"] > 300
        silent.workers[0].resume()


def test_not_certain_in_time(fragile: tuple[Server, Site, Shell]) -> None:
    """A wait that is shorter than it takes ends with code 5, and says for whom and how long."""
    server, _, shell = fragile
    silent = Site(server, workers=1, options={"LEASE_SECONDS": "30"})
    with silent:
        with silent.workers[0].client() as client:
            client.get(page("block:1"))
        silent.workers[0].pause()
        ended = shell.run("purge", "block:1", "--wait", "0.5")
        assert ended.code == 5
        assert "not yet certain to be done everywhere" in ended.out
        assert "waiting for" in ended.out
        assert "done on" not in ended.out
        silent.workers[0].resume()


@pytest.mark.parametrize("how", [(), ("--direct",)], ids=["site", "direct"])
def test_redis_is_gone(fragile: tuple[Server, Site, Shell], how: tuple[str, ...]) -> None:
    """Without Redis nothing is reported done: code 3 and a sentence."""
    server, _, shell = fragile
    server.kill()
    ended = shell.run("purge", "block:1", "--wait", "0.5", *how)
    assert ended.code == 3
    assert "NOT purged: Redis did not record it" in ended.out
    assert "done" not in ended.out
    assert ("keeps trying" in ended.out) is not bool(how)
    assert shell.run("purge", "block:1", "--wait", "0.5", "--json", *how).found["state"] == "unrecorded"


def test_redis_goes_while_waiting(fragile: tuple[Server, Site, Shell]) -> None:
    """A purge that was recorded before Redis went is not reported done either."""
    server, _, _ = fragile
    with Site(server, workers=1, options={"LEASE_SECONDS": "30"}) as silent, Site(server, workers=1) as asked:
        with silent.workers[0].client() as client:
            client.get(page("block:1"))
        silent.workers[0].pause()
        command = [sys.executable, "-m", "cms_cache_mw.cli", "purge", "block:1", "--json", "--wait", "3"]
        environ = {"CMS_CACHE_SERVER": asked.workers[0].url, "CMS_CACHE_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
        running = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        log = server.client()
        until(lambda: b"hard" in str(log.xrange("{cms}:clock:log")).encode(), "the purge is recorded")
        server.kill()
        out, err = running.communicate(timeout=30)
        silent.workers[0].resume()
    found = json.loads(out)
    assert running.returncode == 5
    assert found["state"] == "recorded"
    assert "Traceback" not in err


def test_site_is_gone() -> None:
    """A site that does not answer is code 3; the message says who did not."""
    ended = Shell("http://127.0.0.1:1").run("purge", "block:1")
    assert ended.code == 3
    assert ended.err == "error: http://127.0.0.1:1 cannot be reached: connection refused\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to purge"),
        (("--prefix", "news"), "prefixes: 'news'"),
        (("--url", "a b"), "urls: 'a b'"),
        (("a", "--site", "x"), "tags are the same on every site"),
        (("a:1", "--grace", "-1"), "--grace"),
    ],
)
@pytest.mark.parametrize("how", [(), ("--direct",)], ids=["site", "direct"])
def test_cannot_be_meant(shell: Shell, words: tuple[str, ...], said: str, how: tuple[str, ...]) -> None:
    """What cannot be meant is code 2 and a sentence about it, whoever finds out."""
    ended = shell.run("purge", *words, *how)
    assert ended.code == 2
    assert said in ended.err


def test_direct_and_dry(shell: Shell) -> None:
    """Only the site knows what depends on something."""
    ended = shell.run("purge", "a:1", "--direct", "--dry-run")
    assert ended.code == 2
    assert "leave out --direct" in ended.err


def test_direct_needs_a_redis(shell: Shell) -> None:
    """Which Redis is meant has to be said."""
    ended = shell.run("purge", "a:1", "--direct", CMS_CACHE_REDIS_URL="")
    assert ended.code == 2
    assert "CMS_CACHE_REDIS_URL" in ended.err
    ended = shell.run("purge", "a:1", "--direct", "--redis-url", "http://x")
    assert ended.code == 2
    assert "redis_url=…" in ended.err


@pytest.mark.parametrize(("token", "said"), [("", "a token is needed"), ("not-the-token", "a known token is needed")])
def test_token(shell: Shell, token: str, said: str) -> None:
    """Without the right token: code 4, and nothing is purged."""
    ended = shell.run("purge", "block:1", CMS_CACHE_TOKEN=token)
    assert ended.code == 4
    assert said in ended.err
    assert shell.run("purge", "block:1", "--json", CMS_CACHE_TOKEN=token).found["error"]
