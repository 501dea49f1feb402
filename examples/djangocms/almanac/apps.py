"""The Django application of the almanac."""

from __future__ import annotations

from django.apps import AppConfig


class Almanac(AppConfig):
    """Lets the cache know of versions."""

    name = "almanac"

    def ready(self):
        """Called by Django when all models are loaded."""
        from almanac import caching

        caching.install()
