"""Tests of the two levels: bytes, budgets and Redis values."""

from __future__ import annotations
