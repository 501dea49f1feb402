"""Reload, back button and hard reload in a real browser do what `docs/http.md` says."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer
from tests.support.browser import Browser, executable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.site import Site

pytestmark = pytest.mark.skipif(executable() is None, reason="no Chromium: apt install chromium")

BODY = "<!doctype html><link rel=icon href=data:,><body>answer %d " + "words " * 100


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with nothing stored."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder)) as browser:
        yield browser


def test_buttons(site: Site, browser: Browser) -> None:
    """Reload: 304 from memory. Back: nothing is sent. Hard reload: the stored page in `cms`, a new one in `rfc`."""
    path = site.script(answer("Cache-Control: s-maxage=300", 'ETag: "a"', body=BODY))
    url = f"http://{site.profile}.test:{site.port}{path}"

    (first,) = browser.visit(url)
    assert (first.status, first.fields["cache-status"]) == (200, "cms-cache; fwd=uri-miss; stored")
    assert browser.text().startswith("answer 1")

    (reload,) = browser.reload()
    assert reload.asked["cache-control"] == "max-age=0"
    assert reload.asked["if-none-match"] == first.fields["etag"]
    assert reload.status == 304
    assert browser.text().startswith("answer 1")

    browser.visit("about:blank")
    assert browser.back() == []
    assert browser.text().startswith("answer 1")

    renders = site.renders(path)
    (hard,) = browser.reload(hard=True)
    assert hard.asked["cache-control"] == hard.asked["pragma"] == "no-cache"
    assert "if-none-match" not in hard.asked
    assert hard.status == 200
    assert ("hit" in hard.fields["cache-status"]) is (site.profile == "cms")
    assert site.renders(path) == (renders if site.profile == "cms" else renders + 1)
    assert browser.text().startswith(f"answer {site.renders(path)}")
