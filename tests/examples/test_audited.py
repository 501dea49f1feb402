"""The newsroom with every hit audited: while editors work and purges are made, nothing that is served is wrong."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from cms_cache_mw import CacheMiddleware, Config
from examples.newsroom.website import create_app
from tests.examples.test_newsroom import EDITS, KINDS, NEWSROOM, Purges, Site, move_page, move_section

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cms_cache_mw.auditing.audit import Audit

SAMPLES: Final = 360 if os.environ.get("FAULTS") == "long" else 100
"""At full length what an hour of ten hits a second gives at `audit_rate=0.01`."""


class Audited:
    """The newsroom behind a cache, somebody who edits it, and visitors."""

    def __init__(self, database: Path) -> None:
        self.purging = True
        self.site = create_app(database, self._purge)
        self.cached = CacheMiddleware(self.site, Config(audit_rate=1.0))
        self.audit: Audit = self.cached.cache.parts.audit
        self.audit.pause = 0.0
        self.database = database

    async def _purge(self, tags: list[str]) -> None:
        if self.purging:
            await self.cached.cache.purge(tags=tags)

    async def visit(self, visitor: httpx.AsyncClient, address: str, **headers: str) -> None:
        """Ask for a page, and wait until it was compared."""
        await visitor.get(address if "://" in address else f"{NEWSROOM}{address}", headers=headers)
        await self.cached.cache.runtime.finish()


@pytest.fixture
async def newsroom(database: Path) -> AsyncIterator[tuple[Audited, httpx.AsyncClient, Site]]:
    """The audited newsroom, a visitor and an editor."""
    audited = Audited(database)
    transport = httpx.ASGITransport(audited.cached)
    async with (
        audited.site.router.lifespan_context(audited.site),
        httpx.AsyncClient(transport=transport) as visitor,
        httpx.AsyncClient(transport=transport) as desk,
    ):
        editor = Site(database, desk, Purges(database))
        await editor.sign_in()
        yield audited, visitor, editor
    await audited.cached.cache.aclose()


async def test_a_clean_newsroom_gives_no_alarm(newsroom: tuple[Audited, httpx.AsyncClient, Site]) -> None:
    """As many samples as an hour gives, all kinds of pages, visitors and edits: not one finding."""
    audited, visitor, editor = newsroom
    draw, addresses = random.Random(11), [address for address, _ in KINDS.values()]
    edits = iter(edit for edit in EDITS if edit not in {move_page, move_section})
    asked = 0
    while audited.audit.outcomes["same"] < SAMPLES:
        visitor.cookies.clear()
        cookie = draw.choice(["_ga=1.2.3", "consent=all", "csrftoken=abc"])
        await audited.visit(visitor, draw.choice(addresses), cookie=cookie, **{"user-agent": f"agent {draw.random()}"})
        asked += 1
        if asked % 10 == 0 and (edit := next(edits, None)):
            await edit(editor)
            await audited.cached.cache.runtime.finish()
    assert set(audited.audit.outcomes) <= {"same", "outdated"}, audited.audit.findings
    assert next(edits, None) is None, "every kind of edit was made"


@pytest.mark.logs("was served and is stale")
async def test_a_newsroom_that_forgets_to_purge(newsroom: tuple[Audited, httpx.AsyncClient, Site]) -> None:
    """An edit of a block without its purge is found by the first page with that block that is compared."""
    audited, visitor, editor = newsroom
    for _ in range(2):
        await audited.visit(visitor, "/en/text/textwrap")
    assert not audited.audit.findings
    audited.purging = False
    await editor.edit("/edit/block/contact", body_en="<p>Changed by the test.</p>", body_de="<p>Geändert.</p>")
    await audited.visit(visitor, "/en/text/textwrap")
    (found,) = audited.audit.findings
    assert found.kind == "stale"
    assert "Changed" in found.difference
    assert "block:contact" in found.tags
