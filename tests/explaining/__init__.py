"""Tests of what the cache knows of itself."""

from __future__ import annotations
