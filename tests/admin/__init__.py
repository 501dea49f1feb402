"""Tests of what editors and operators speak to."""

from __future__ import annotations
