"""Pages in Litestar behind the cache."""
