"""Keeping the cache warm."""
