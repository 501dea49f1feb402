"""What is served, compared with what would be rendered."""

from __future__ import annotations
