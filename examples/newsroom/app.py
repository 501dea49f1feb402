"""The newsroom behind the cache, for a server to run: `granian --interface asgi examples.newsroom.app:app`.

The environment: NEWSROOM_DATABASE (a file, seeded if it is missing), NEWSROOM_PASSWORD, and the cache's own CMS_CACHE_…
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cms_cache_mw import CacheMiddleware, Config, fragment
from examples.newsroom.database import Database
from examples.newsroom.desk import PASSWORD
from examples.newsroom.public import HOSTS
from examples.newsroom.rendering import Press, Visit
from examples.newsroom.website import create_app

if TYPE_CHECKING:
    from examples.newsroom.announcement import Purged


async def purge(tags: list[str]) -> Purged:
    """Purge what depends on an edit, after its commit."""
    return await app.cache.purge(tags=tags, who="newsroom", reason="saved by an editor")


@fragment("block:{block}:{site}:{language}:{door}", ttl=3600, tags=["block:{block}", "lang:{language}"])
def everywhere(block: str, site: str, language: str, door: str) -> str:
    """A block that is on every page: each page has a hole for it, so that an edit renders the block and no page."""
    with database.reading() as db:
        return press.view(db, Visit(site, language, door), None).block(block)


def hole(name: str) -> str:
    """Where such a block goes in a page that is being rendered."""
    return app.cache.placeholder(name)


path = Path(os.environ.get("NEWSROOM_DATABASE", "newsroom.sqlite3"))
database, press = Database(path), Press()
site = create_app(path, purge, password=os.environ.get("NEWSROOM_PASSWORD", PASSWORD), hole=hole)
app = CacheMiddleware(site, Config.from_env(sites=HOSTS))
