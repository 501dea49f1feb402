"""The numbers that a worker publishes, joined with those of its siblings."""

from __future__ import annotations
