"""Template tags of the gazette."""
