"""Faults, injected into a real server and real worker processes, while visitors read and an editor publishes.

Each scenario is a function of its own; what it stands on is told in `stage` (the processes) and `scene` (what can be done to
them, and what is demanded of every scenario). `docs/faults.md` lists them. `python -m tests.faults` is the random one.
"""
