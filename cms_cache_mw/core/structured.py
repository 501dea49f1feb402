"""Structured fields (RFC 9651), read strictly: a value that does not parse is no value. Used when storing, never on a hit.

The parser is imported when the first of these few fields comes.
"""

from __future__ import annotations


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
