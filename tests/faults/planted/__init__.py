"""Bugs planted into workers, one per module, to see that the scenarios find them: a judge that never convicts proves nothing.

Each module changes one thing in the package and then gives the same site; workers are started with it in place of the
sound one. `docs/consistency.md` tells what each would do to a site.
"""
