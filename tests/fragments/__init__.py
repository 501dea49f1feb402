"""Tests of fragments."""

from __future__ import annotations
