"""Tests of the comparator."""

from __future__ import annotations
