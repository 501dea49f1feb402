"""The newsroom behind the cache, for a server to run: `granian --interface asgi examples.newsroom.app:app`.

The environment: NEWSROOM_DATABASE (a file, seeded if it is missing), NEWSROOM_PASSWORD, and the cache's own CMS_CACHE_…
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cms_cache_mw import CacheMiddleware, Config
from examples.newsroom.desk import PASSWORD
from examples.newsroom.public import HOSTS
from examples.newsroom.website import create_app

if TYPE_CHECKING:
    from examples.newsroom.announcement import Purged


async def purge(tags: list[str]) -> Purged:
    """Purge what depends on an edit, after its commit."""
    return await app.cache.purge(tags=tags, who="newsroom", reason="saved by an editor")


site = create_app(
    Path(os.environ.get("NEWSROOM_DATABASE", "newsroom.sqlite3")),
    purge,
    password=os.environ.get("NEWSROOM_PASSWORD", PASSWORD),
)
app = CacheMiddleware(site, Config.from_env(sites=HOSTS))
