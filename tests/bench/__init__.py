"""Measurements behind the documented figures: each is a ratio or a count in one run, never a test of its own."""

from __future__ import annotations
