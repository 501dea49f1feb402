"""The same as `cms-cache`: `python -m cms_cache_mw.cli`."""

from __future__ import annotations

from cms_cache_mw.cli import main

main()
