"""The simulator of eviction policies: our own and those of libcachesim on the traffic of made-up CMSs and of real logs."""

from __future__ import annotations
