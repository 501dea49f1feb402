"""The examples, one module of tests for each."""

from __future__ import annotations
