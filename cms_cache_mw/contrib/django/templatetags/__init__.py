"""Template tags of Django's."""
