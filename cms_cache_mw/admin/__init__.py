"""What editors and operators speak to: plain request to response functions, served by both shells."""

from __future__ import annotations
