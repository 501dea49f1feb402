"""A page cache for any CMS: the worker's memory, then Redis, then the application."""

from __future__ import annotations
