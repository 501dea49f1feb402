"""The Django application `cms_cache_mw.contrib.django`: listens to the database and to templates once all models are there."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register


class CmsCache(AppConfig):
    """Installs what notes reads and purges writes."""

    name = "cms_cache_mw.contrib.django"
    label = "cms_cache"
    verbose_name = "Page cache"

    def ready(self) -> None:
        """Called by Django when all models are loaded."""
        from cms_cache_mw.contrib.django import checks, reads, templates, writes  # noqa: PLC0415 - they need models

        reads.install()
        writes.install()
        templates.install()
        register(checks.found, Tags.caches)
