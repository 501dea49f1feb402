"""Structured fields (RFC 9651), read strictly: a value that does not parse is no value. Used when storing, never on a hit.

The parser is imported when the first of these few fields comes, or is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    Bare: TypeAlias = int | float | str
    """A number or a text; a `Word` is a text that needs no quotes."""

_PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F)))


def dictionary(text: bytes) -> dict[str, tuple[object, bool]] | None:
    """The members of a dictionary, each with whether it has parameters, or `None` where `text` is none."""
    import http_sf  # noqa: PLC0415

    try:
        found = http_sf.parse(text, tltype="dictionary")
    except ValueError:
        return None
    assert isinstance(found, dict)
    return {name: (member[0], bool(member[1])) for name, member in found.items() if isinstance(member, tuple)}


def strings(text: bytes) -> tuple[str, ...]:
    """The strings of a list of strings, in order; none where `text` is no list or another type is among them."""
    import http_sf  # noqa: PLC0415

    try:
        found = http_sf.parse(text, tltype="list")
    except ValueError:
        return ()
    assert isinstance(found, list)
    values = [member[0] for member in found if isinstance(member, tuple)]
    texts = tuple(value for value in values if type(value) is str)
    return texts if len(texts) == len(found) else ()


class Word(str):
    """A token (RFC 9651 §3.3.4): letters, digits and `-`, beginning with a letter."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """An inner list (RFC 9651 §3.1.1), with parameters of its own and of each member."""

    members: list[tuple[str, Mapping[str, Bare]]]
    parameters: Mapping[str, Bare] = field(default_factory=dict)


def written(members: Mapping[str, Bare | Listed]) -> bytes:
    """A dictionary, which has a member, as the value of a field. What of a text is no printable ASCII is percent-encoded, for people to read.

    Numbers get three decimals at most (RFC 9651 §4.1.5).

    >>> written({"action": Word("serve"), "age": 1.5, "tags": Listed([("page:1", {}), ("ä", {"by": "b"})], {"of": 7})})
    b'action=serve, age=1.5, tags=("page:1" "%C3%A4";by="b");of=7'
    """
    import http_sf  # noqa: PLC0415

    def bare(value: Bare) -> int | float | str | http_sf.Token:
        if isinstance(value, Word):
            return http_sf.Token(value)
        return quote(value, safe=_PRINTABLE, errors="replace") if isinstance(value, str) else value

    def all_of(parameters: Mapping[str, Bare]) -> dict[str, int | float | str | http_sf.Token]:
        return {name: bare(value) for name, value in parameters.items()}

    found = {
        name: ([(bare(text), all_of(told)) for text, told in value.members], all_of(value.parameters))
        if isinstance(value, Listed)
        else bare(value)
        for name, value in members.items()
    }
    return http_sf.ser(found).encode("ascii")  # type: ignore[arg-type] # its dictionaries are invariant
