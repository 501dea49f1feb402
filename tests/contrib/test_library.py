"""`examples/django`: the documented lines on a plain Django site, started by its one command and edited through its own form."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.contrib.project import ROOT, tokens
from tests.support.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.client import Answer

URLS = ["/", "/author/1/", "/author/2/", "/book/1/", "/book/2/", "/book/4/", "/book/99/"]


@pytest.fixture
def library() -> Iterator[Client]:
    """The site, as `python -m examples.django` starts it."""
    if importlib.util.find_spec("django") is None:
        pytest.skip("Django is not installed: pip install 'cms_cache_mw[django]'")
    environment = os.environ | {"PORT": "0", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "examples.django"]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout
            port = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert port, "the site did not start"
            with Client(int(port[1]), timeout=30) as client:
                yield client
        finally:
            process.terminate()


def ask(library: Client, method: str, url: str, body: bytes | None = None, cookie: str = "") -> Answer:
    """The answer on the site's own host."""
    fields = {"host": "localhost"} | ({"cookie": cookie} if cookie else {})
    return library.ask(
        method, url, body, fields | ({"content-type": "application/x-www-form-urlencoded"} if body else {})
    )


def test_an_edit_in_the_form_changes_the_pages_that_show_it(library: Client) -> None:
    """The book and its author's list, and no other; the form itself is never stored."""
    for url in URLS * 2:
        ask(library, "GET", url)
    assert [url for url in URLS if ask(library, "GET", url).level is None] == []
    page = ask(library, "GET", "/book/1/edit/")
    assert page.level is None
    cookie = re.search(r"csrftoken=\w+", page.field("set-cookie") or "")
    assert cookie
    form = urlencode({"csrfmiddlewaretoken": tokens(page.body.decode()), "title": "New", "text": "New", "author": "1"})
    assert ask(library, "POST", "/book/1/edit/", form.encode(), cookie[0]).status == 302
    assert {url for url in URLS if ask(library, "HEAD", url).level is None} == {"/book/1/", "/author/1/"}
    assert b"New" in ask(library, "GET", "/author/1/").body
