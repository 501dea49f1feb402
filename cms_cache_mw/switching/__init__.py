"""What can be changed while the workers run."""

from __future__ import annotations
