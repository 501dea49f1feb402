"""Template tags of the magazine."""
