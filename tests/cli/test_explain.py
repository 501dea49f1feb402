"""`cms-cache explain` and `cms-cache tail`: why a URL is served the way it is, and what was decided."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Shell
from tests.support.client import HOST
from tests.support.origin import page

if TYPE_CHECKING:
    from tests.support.site import Site


def url(name: str) -> str:
    """The address of a page as visitors ask for it."""
    return f"http://{HOST}{page(name)}"


def test_a_hit(site: Site, shell: Shell) -> None:
    """A stored page is told with its age, its tags and what it is worth."""
    with site.workers[0].client() as client:
        client.get(page("block:e1"))
        client.get(page("block:e1"))
    ended = shell.run("explain", url("block:e1"))
    assert ended.code == 0
    assert "from the cache (hit): a fresh stored response was served" in ended.out
    assert "in this worker's memory: usable" in ended.out
    assert "< lifetime 300 s: fresh for" in ended.out
    assert "depends on block:e1" in ended.out
    assert "key      http | site.test" in ended.out


def test_nothing_stored(shell: Shell) -> None:
    """A page that nobody asked for is told to be rendered, and asking does not render it."""
    for _ in range(2):
        ended = shell.run("explain", url("block:e2"))
        assert "rendered by the application (uri-miss): nothing was stored for this URL" in ended.out
        assert "nothing is stored for it" in ended.out


def test_a_purged_page(site: Site, shell: Shell) -> None:
    """A purged page says by which purge of which tag, by whom and why."""
    with site.workers[0].client() as client:
        client.get(page("block:e3"))
    shell.run("purge", "block:e3", "--reason", "the footer changed")
    ended = shell.run("explain", url("block:e3"))
    assert "NOT usable (purged" in ended.out
    assert "of block:e3 at" in ended.out
    assert "by admin (the footer changed)" in ended.out


def test_what_a_visitor_sends(shell: Shell) -> None:
    """With a cookie the answer is that visitor's."""
    ended = shell.run("explain", url("block:e4"), "--header", "Cookie: sessionid=1")
    assert "past the cache (cookie)" in ended.out
    assert "cookie   sessionid makes its visitor somebody" in ended.out
    assert shell.run("explain", url("block:e4"), "--method", "POST", "--json").found["action"] == "bypass"


def test_why_one_server_is_stale(site: Site) -> None:
    """Each server that is named is asked, and tells of its own memory; one that is away does not hide the others."""
    for worker in site.workers:
        with worker.client() as client:
            client.get(page("block:e5"))
    first, second = (worker.url for worker in site.workers)
    Shell(first).run("purge", "block:e5", "--soft", "--grace", "600", "--reason", "a new menu")
    with site.workers[0].client() as client:
        client.get(page("block:e5"))
    ended = Shell(first, second).run("explain", url("block:e5"))
    assert ended.code == 0
    of_second = ended.out.partition(second)[2]
    assert "soft-purged" in of_second
    assert "(a new menu)" in of_second
    ended = Shell("http://127.0.0.1:1", second).run("explain", url("block:e5"), "--json")
    assert ended.code == 3
    assert "cannot be reached" in ended.found["http://127.0.0.1:1"]["error"]
    assert ended.found[second]["action"] == "serve"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a b",), "percent-encode it"),
        (("ftp://x/",), "neither a path"),
        (("/", "--header", "nothing"), "no field such as"),
        (("/", "--method", "get it"), "method"),
    ],
)
def test_cannot_be_meant(shell: Shell, words: tuple[str, ...], said: str) -> None:
    """What cannot be meant is code 2 and a sentence."""
    ended = shell.run("explain", *words)
    assert ended.code == 2
    assert said in ended.err


def test_tail(site: Site, shell: Shell) -> None:
    """The last decisions about a URL, oldest first, with the level they were answered from."""
    with site.workers[0].client() as client:
        client.get(page("block:t1"))
        client.get(page("block:t1"))
        client.get(page("block:t1"), {"Cookie": "sessionid=1"})
    ended = shell.run("tail", "block:t1", "--no-follow")
    assert ended.code == 0
    first, second, third = ended.out.splitlines()
    assert "application" in first
    assert "uri-miss" in first
    assert "memory" in second
    assert "cookie" in third
    ended = shell.run("tail", "block:t1", "--reason", "hit", "--no-follow", "--json")
    assert json.loads(ended.out)["hit"]
    assert len(shell.run("tail", "block:t1", "--last", "2", "--no-follow").out.splitlines()) == 2
    assert shell.run("tail", "block:never", "--no-follow").out == ""
