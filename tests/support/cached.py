"""The site behind the cache, as worker processes import it; everything comes from the environment."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from cms_cache_mw import CacheMiddleware, Config
from tests.support.origin import Origin, Store

logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s %(levelname)s %(message)s")

app = CacheMiddleware(Origin(Store(Path(os.environ["ORIGIN_STORE"]))), Config.from_env())
