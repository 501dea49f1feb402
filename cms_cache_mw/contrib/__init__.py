"""The cache in the words of frameworks: each module here belongs to one of them, and imports it."""

from __future__ import annotations
