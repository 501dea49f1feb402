"""A small CMS to show the cache on: two sites, two languages, pages made of shared blocks and templates."""
