"""A Wagtail site to see the cache on."""
