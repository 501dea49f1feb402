"""The site behind the cache, for ASGI servers."""

from __future__ import annotations

import os

from cms_cache_mw.contrib.django import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = get_asgi_application()
