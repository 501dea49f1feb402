"""The WSGI application, as any server takes it."""

from __future__ import annotations

import os

from cms_cache_mw.contrib.django import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = get_wsgi_application()
