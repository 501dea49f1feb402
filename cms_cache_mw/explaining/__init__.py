"""What the cache knows of itself: why a URL is served so, who depends on what, what a purge would take, what was decided."""

from __future__ import annotations
