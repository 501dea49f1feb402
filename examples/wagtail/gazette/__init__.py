"""The gazette: an application as people write them, knowing nothing of the cache."""
