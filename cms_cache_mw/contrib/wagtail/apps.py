"""The Django application `cms_cache_mw.contrib.wagtail`: tells reads and writes what is special about Wagtail's models."""

from __future__ import annotations

from django.apps import AppConfig


class CmsCacheWagtail(AppConfig):
    """Installs what is Wagtail's own, once all models are there."""

    name = "cms_cache_mw.contrib.wagtail"
    label = "cms_cache_wagtail"
    verbose_name = "Page cache for Wagtail"

    def ready(self) -> None:
        """Called by Django when all models are loaded."""
        from cms_cache_mw.contrib.wagtail import (  # noqa: PLC0415 - they need models
            kinds,
            pages,
            panel,
            redirects,
            serving,
            tree,
        )

        kinds.install()
        pages.install()
        panel.install()
        redirects.install()
        serving.install()
        tree.install()
