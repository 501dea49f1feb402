"""Pages with a menu, a plugin of their own, and an alias at the foot of each."""
