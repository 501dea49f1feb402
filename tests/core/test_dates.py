"""HTTP-date in three formats and no other."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.dates import format_date, parse_date
from tests.core.messages import WALL

FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The seconds of the years 1 to 9999."""


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"Sun Nov 06 08:49:37 1994",
        b"sun, 06 NOV 1994 08:49:37 gmt",
        b"SUNDAY, 06-nov-94 08:49:37 Gmt",
        b"sUN nOV  6 08:49:37 1994",
        b"Mon, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_read(text: bytes) -> None:
    """The formats of RFC 9110 §5.6.7 are read in any letter case; the day of the week is not checked against the date."""
    assert parse_date(text, WALL) == 784_111_777


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"])
def test_all_months_are_read(month: int, form: str) -> None:
    """RFC 9110 §5.6.7: the names of all twelve months, in each format."""
    moment = datetime(2026, month, 15, 8, 49, 37, tzinfo=UTC)
    assert parse_date(moment.strftime(form).encode(), WALL) == moment.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0",
        b"-1",
        b"784111777",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37 AEST",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 06 Nov 1994 08.49.37 GMT",
        b"Sun, 06 Nov 1994 08:49 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun 06 Nov 1994 08:49:37 GMT",
        b"Sun,06 Nov 1994 08:49:37 GMT",
        b"Sun,  06 Nov 1994 08:49:37 GMT",
        b"Sun,\t06 Nov 1994 08:49:37 GMT",
        b"06 Nov 1994 08:49:37 GMT",
        b"Foo, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Foo 1994 08:49:37 GMT",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sunday, 06-Nov-1994 08:49:37 GMT",
        b"Sun, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov 6 08:49:37 1994",
        b"Sun Nov  6 08:49:37 1994 GMT",
        b"\xd9\xa1",
    ],
)
def test_not_read(text: bytes) -> None:
    """Anything else is no date."""
    assert parse_date(text, WALL) is None


@pytest.mark.parametrize(
    ("text", "year"),
    [
        (b"Friday, 15-Jan-27 08:00:00 GMT", 2027),
        (b"Friday, 15-Jan-77 08:00:00 GMT", 2077),
        (b"Friday, 15-Jan-78 08:00:00 GMT", 1978),
        (b"Friday, 15-Jan-99 08:00:00 GMT", 1999),
        (b"Friday, 15-Jan-00 08:00:00 GMT", 2000),
    ],
)
def test_years_of_two_digits(text: bytes, year: int) -> None:
    """RFC 9110 §5.6.7: what would be more than 50 years ahead is past."""
    assert parse_date(text, WALL) == datetime(year, 1, 15, 8, tzinfo=UTC).timestamp()


def test_years_of_two_digits_late_in_a_century() -> None:
    """At the end of a century a small number is of the next one."""
    late = datetime(2090, 6, 1, tzinfo=UTC).timestamp()

    assert parse_date(b"Friday, 15-Jan-27 08:00:00 GMT", late) == datetime(2127, 1, 15, 8, tzinfo=UTC).timestamp()
    assert parse_date(b"Friday, 15-Jan-89 08:00:00 GMT", late) == datetime(2089, 1, 15, 8, tzinfo=UTC).timestamp()


def test_far_years_and_leap_seconds() -> None:
    """The year 2038 is no limit, and a leap second is the second after."""
    assert parse_date(b"Thu, 18 Aug 2286 02:01:18 GMT", WALL) == datetime(2286, 8, 18, 2, 1, 18, tzinfo=UTC).timestamp()
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT", WALL) == datetime(2017, 1, 1, tzinfo=UTC).timestamp()


@given(st.integers(FIRST, LAST))
def test_reading_undoes_writing(second: int) -> None:
    """A date that was written is read as the same second."""
    assert parse_date(format_date(second), WALL) == second


@given(st.binary(), st.floats(0, 1e10))
def test_reading_is_total(text: bytes, wall: float) -> None:
    """Any bytes are a date or none."""
    assert parse_date(text, wall) is None


def test_writing_drops_fractions() -> None:
    """A date says whole seconds."""
    assert format_date(784_111_777.9) == b"Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("present", "digits", "year"),
    [(2026, 75, 2075), (2026, 76, 2076), (2026, 77, 1977), (2090, 39, 2139), (2090, 40, 2140), (2090, 41, 2041)],
)
def test_two_digits_at_the_edge(present: int, digits: int, year: int) -> None:
    """RFC9110 5.6.7: fifty years ahead are the future still, more than that are the past."""
    wall = datetime(present, 6, 1, tzinfo=UTC).timestamp()
    day = datetime(year, 1, 1, tzinfo=UTC)
    assert parse_date(f"{day:%A}, 01-Jan-{digits} 00:00:00 GMT".encode(), wall) == day.timestamp()
