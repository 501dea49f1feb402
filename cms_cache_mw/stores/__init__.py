"""Bytes, budgets and Redis values: the two levels. Knows nothing of HTTP."""

from __future__ import annotations
