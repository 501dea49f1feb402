"""`cms-cache purge`: exit code 0 means done on every worker, and nothing else does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.cli.demo import served
from cms_cache_mw.cli.purge import _preview
from tests.support.careless import Careless
from tests.support.cli import Shell
from tests.support.origin import page
from tests.support.server import Server
from tests.support.site import ROOT, Site
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fragile() -> Iterator[tuple[Server, Site, Shell]]:
    """A Valkey and a site of two workers for this test alone."""
    with Server("valkey") as server, Site(server, workers=2, options={"LEASE_SECONDS": "20"}) as site:
        yield server, site, Shell(site.workers[0].url, CMS_CACHE_REDIS_URL=server.url)


def stored(site: Site, path: str) -> None:
    """Have both workers hold a page in memory."""
    for worker in site.workers:
        with worker.client() as client:
            # One that was silent a moment ago may have no lease yet.
            until(lambda client=client: client.get(path).level == "memory", "it is in memory", 20)  # type: ignore[misc]


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


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"exact": True, "error": 0}, "2 entries would go"),
        ({"exact": False, "error": 9}, "2 entries, give or take 9 would go"),
        ({"exact": False, "error": 0}, "at least 2 entries would go"),
    ],
)
def test_how_exact_a_preview_is(known: dict[str, object], said: str) -> None:
    """A sample has an error; what could not be counted has none, and is said to be the least."""
    first = next(iter(_preview({"entries": 2} | known)))
    assert str(first).startswith(said)


def test_a_worker_falls_silent(site: Site, shell: Shell) -> None:
    """Too short a wait ends with 5 and says for whom; a longer one is done when the silent worker's lease has ended."""
    stored(site, page("block:p7"))
    site.workers[1].pause()
    try:
        ended = shell.run("purge", "block:p7", "--wait", "0.3")
        assert ended.code == 5
        assert "not yet certain to be done everywhere" in ended.out
        assert "done on" not in ended.out
        found = shell.run("purge", "block:p7", "--json", "--wait", "60").found
    finally:
        site.workers[1].resume()
    assert found["state"] == "done"
    assert found["waited_ms"] > 500
    assert levels(site, page("block:p7"))[0] is None
    stored(site, page("block:p7"))


def test_redis_goes(fragile: tuple[Server, Site, Shell]) -> None:
    """Nothing is reported done once Redis is away: not a purge on its way (5), and none after it (3), by neither way."""
    server, site, shell = fragile
    with site.workers[1].client() as client:
        client.get(page("block:1"))
    site.workers[1].pause()
    command = [sys.executable, "-m", "cms_cache_mw.cli", "purge", "block:1", "--json", "--wait", "5"]
    environ = shell.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = server.client()
    until(lambda: "hard" in str(log.xrange("{cms}:clock:log")), "the purge is recorded")
    server.kill()
    out, err = running.communicate(timeout=60)
    assert (running.returncode, json.loads(out)["state"], err) == (5, "recorded", "")
    for how in ((), ("--direct",)):
        ended = shell.run("purge", "block:1", "--wait", "0.5", *how)
        assert ended.code == 3
        assert "NOT purged: Redis did not record it" in ended.out
        assert "done" not in ended.out
        assert ("keeps trying" in ended.out) is not bool(how)
        assert shell.run("purge", "block:1", "--wait", "0.5", "--json", *how).found["state"] == "unrecorded"


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


def test_guard() -> None:
    """More than `purge_guard` allows is code 6 and nothing is purged, until it is confirmed; or it is made soft."""
    with served(Careless(purge_guard=1), 0) as port:
        shell = Shell(f"http://127.0.0.1:{port}")
        shell.run("doctor", "/a/cache-tag=page:1", "/b/cache-tag=page:1")
        ended = shell.run("purge", "page:1")
        assert ended.code == 6
        assert "it would take 2 entries, more than 1; nothing was purged" in ended.err
        assert shell.run("purge", "page:1", "--json").found["preview"]["entries"] == 2
        assert "2 entries would go" in shell.run("purge", "page:1", "--dry-run").out
        assert shell.run("purge", "page:1", "--confirm").code == 0
        assert "0 entries would go" in shell.run("purge", "page:1", "--dry-run").out
    with served(Careless(purge_guard={"entries": 1, "soft": True}), 0) as port:
        shell = Shell(f"http://127.0.0.1:{port}")
        shell.run("doctor", "/a/cache-tag=page:1", "/b/cache-tag=page:1")
        assert "made soft by purge_guard" in shell.run("purge", "page:1").out
