"""An executable model of the purge protocol, searched state by state; `docs/consistency.md` explains it."""

from __future__ import annotations
