"""A django CMS site with versions and aliases behind the cache: `python -m examples.djangocms`."""
