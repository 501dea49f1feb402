"""Tests of what can be changed while workers run."""

from __future__ import annotations
