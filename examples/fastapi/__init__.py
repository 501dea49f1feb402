"""Pages and an API in FastAPI behind the cache."""
