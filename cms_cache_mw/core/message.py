"""A request and a response head as values: what the shells translate from, and what the rules look at.

Field names are lower-case bytes, as ASGI gives them; repeated fields stay repeated and in order (RFC 9110 §5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cms_cache_mw.core.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Field: TypeAlias = tuple[bytes, bytes]
Fields: TypeAlias = tuple[Field, ...]


def lines(fields: Fields, name: bytes) -> list[bytes]:
    """The field lines called `name`, in order."""
    return [value for field, value in fields if field == name]


def combined(fields: Fields, name: bytes) -> bytes | None:
    """The field's value with its lines joined by commas, or `None` where it is absent (RFC 9110 §5.2)."""
    found = lines(fields, name)
    return b", ".join(found) if found else None


def without(fields: Fields, names: Collection[bytes]) -> Fields:
    """The fields whose name is not in `names`."""
    return tuple(field for field in fields if field[0] not in names)


class Request(Value, frozen=True):
    """A request as the server received it."""

    method: str
    scheme: str
    path: bytes
    """The raw path, percent-encoding untouched."""
    query: bytes
    fields: Fields
    raw: bool = True
    """Whether `path` is what was on the wire; some servers give only the decoded path."""
    client: str = ""
    """The peer's address; empty where the server does not say."""

    def lines(self, name: bytes) -> list[bytes]:
        """The field lines called `name`, in order."""
        return lines(self.fields, name)

    def value(self, name: bytes) -> bytes | None:
        """The combined value of a field, or `None`."""
        return combined(self.fields, name)

    def rephrased(self, query: bytes, fields: Fields) -> Request:
        """The same request with another query and other fields."""
        # Each request that memory does not answer comes by here, and `replace` takes several times as long.
        return Request(self.method, self.scheme, self.path, query, fields, self.raw, self.client)

    def without(self, names: Collection[bytes]) -> Request:
        """The same request less the fields in `names`."""
        return replace(self, fields=without(self.fields, names))

    def adding(self, fields: Iterable[Field]) -> Request:
        """The same request with more fields."""
        return replace(self, fields=(*self.fields, *fields))


class Head(Value, frozen=True):
    """The start of a response: status and fields."""

    status: int
    fields: Fields

    def lines(self, name: bytes) -> list[bytes]:
        """The field lines called `name`, in order."""
        return lines(self.fields, name)

    def value(self, name: bytes) -> bytes | None:
        """The combined value of a field, or `None`."""
        return combined(self.fields, name)
