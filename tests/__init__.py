"""The specification of the package, as tests. A package of its own, so that no other `tests` on the path is taken for it."""
