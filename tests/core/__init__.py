"""The rules of HTTP caching, one module of tests per module of `core`."""

from __future__ import annotations
