"""Parts of pages: cached like pages, by key or by `@fragment`, and filled into stored pages."""

from __future__ import annotations
