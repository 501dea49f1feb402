"""`cms-cache warm`: pages are there before visitors come, and what could not be rendered is said."""

from __future__ import annotations

from cms_cache_mw.cli.demo import served
from tests.support.careless import Careless
from tests.support.cli import Shell


def test_warm() -> None:
    """A page that was warmed is stored; one that may not be stored makes it code 1 and is named."""
    with served(Careless(), 0) as port:
        shell = Shell(f"http://127.0.0.1:{port}")
        ended = shell.run("warm", "/a/cache-tag=page:1", "--json")
        assert (ended.code, ended.found["state"], ended.found["done"]) == (0, "done", 1)
        assert shell.run("explain", "/a/cache-tag=page:1", "--json").found["stored"]
        ended = shell.run("warm", "/b/cache-control=no-store")
        assert ended.code == 1
        assert "/b/cache-control=no-store" in ended.out


def test_cannot_be_meant() -> None:
    """Nothing to warm, or what is no path, is code 2 and a sentence."""
    with served(Careless(), 0) as port:
        shell = Shell(f"http://127.0.0.1:{port}")
        for words, said in (((), "nothing to warm"), (("news",), "is not a path"), (("--resume", "x"), "no errand")):
            ended = shell.run("warm", *words)
            assert (ended.code, said in ended.err) == (2, True), ended
