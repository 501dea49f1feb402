"""Attacks on the cache, by class: each is seen to succeed against a careless variant, and to fail against the package."""
