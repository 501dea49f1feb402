"""What values are made of: immutable records with slots, which cost next to nothing to define, to make and to replace.

Some seventy of them are defined when the package is imported, and a dozen made for each miss. `msgspec.Struct` by its own
name is for what is read from or written to a wire, so that it is clear whose types have to be there when the program runs.
"""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import asdict, astuple, replace

__all__ = ["Value", "asdict", "astuple", "field", "replace"]


class Value(Struct, frozen=True):
    """A record that does not change; a class of values names it, and `frozen=True`, which type checkers look for."""
