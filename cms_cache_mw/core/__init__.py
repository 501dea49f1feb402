"""HTTP caching as functions of values and `now`: no await, clock, lock, log, environment, randomness, Redis or ASGI."""

from __future__ import annotations
