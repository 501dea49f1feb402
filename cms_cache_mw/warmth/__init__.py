"""Keeping the cache warm: what is used is there after a start, before it expires and after a purge, and no visitor waits for it."""
