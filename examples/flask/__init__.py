"""A site in Flask behind the cache: blueprints, a login, flash messages, and a form whose token is never shared."""
