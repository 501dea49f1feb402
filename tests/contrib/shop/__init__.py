"""A small Django site in one application: models, views, settings; it knows nothing of the cache but the documented lines."""
