"""An application of a Wagtail project as people write them, knowing nothing of the cache."""
