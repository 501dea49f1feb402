"""The purge clock and its leases. Knows nothing of HTTP and nothing of bodies."""

from __future__ import annotations
