"""HTTP-date: the three formats of RFC 9110 §5.6.7 and nothing else, in any letter case."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

_MONTHS: Final = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_MONTH: Final = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
_TIME: Final = rb"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_DAY: Final = rb"(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY: Final = rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day"

_FORMATS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _DAY + rb", (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + rb" GMT\Z",
        _LONG_DAY + rb", (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT\Z",
        _DAY + rb" " + _MONTH + rb" (?P<day>[0-9]{2}| [0-9]) " + _TIME + rb" (?P<year>[0-9]{4})\Z",
    )
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SECONDS_A_YEAR: Final = 31_556_952
_TWO_DIGITS: Final = 2


def parse_date(text: bytes, wall: float) -> float | None:
    """The time in seconds since 1970, or `None` where `text` is no HTTP-date.

    `wall` is the present: a year of two digits that would be more than 50 years ahead is of the century before.
    """
    for pattern in _FORMATS:
        if match := pattern.match(text):
            year, month, day = int(match["year"]), _MONTHS.index(match["month"].lower()) + 1, int(match["day"])
            if len(match["year"]) == _TWO_DIGITS:
                year = _century(year, wall)
            try:
                days = date(year, month, day).toordinal() - _EPOCH_DAY
            except ValueError:
                return None
            return days * 86_400.0 + int(match["hour"]) * 3600 + int(match["minute"]) * 60 + int(match["second"])
    return None


def _century(year: int, wall: float) -> int:
    present = 1970 + int(wall // _SECONDS_A_YEAR)
    year += present - present % 100
    if year > present + 50:
        return year - 100
    return year + 100 if year <= present - 50 else year


def format_date(wall: float) -> bytes:
    """The time as an IMF-fixdate, fractions of a second dropped."""
    from email.utils import formatdate  # noqa: PLC0415 - with all that reads mail

    return formatdate(int(wall), usegmt=True).encode("ascii")
