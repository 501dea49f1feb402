"""Pages with holes as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.core.holes import Filled, joined, page, plausible
from tests.core.messages import BORN, fields, plain, stored

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry, Key


def test_parts_go_where_the_holes_are() -> None:
    """In order, also at the ends and side by side."""
    holes = ((0, "a"), (2, "b"), (2, "c"), (4, "d"))
    assert joined(b"1234", holes, [b"A", b"B", b"", b"D"]) == b"A12B34D"
    assert joined(b"1234", (), []) == b"1234"


def test_every_hole_has_a_part() -> None:
    """A part too few is an error, not a page with a gap."""
    with pytest.raises(ValueError, match="zip"):
        joined(b"1234", ((0, "a"),), [])


def test_a_filled_page_is_described_anew() -> None:
    """What the application said about its own bytes is gone; the rest stays, and the entry with holes is untouched."""
    entry = stored("Cache-Control: max-age=60", "Content-Type: text/html", 'ETag: "x"', "Last-Modified: x")
    entry.holes = ((1, "a"),)
    whole = page(entry, b"0A123456789")
    described = dict(whole.fields)
    assert (whole.body, whole.holes, whole.encoded, whole.hits) == (b"0A123456789", (), {}, 0)
    assert described[b"content-length"] == b"11"
    assert described[b"etag"] not in {b'"x"', dict(page(entry, b"0B123456789").fields)[b"etag"]}
    assert b"last-modified" not in described
    assert (b"content-type", b"text/html") in whole.fields
    assert fields('ETag: "x"')[0] in entry.fields


@pytest.mark.parametrize(
    "line",
    ['ETag: "x"', "Last-Modified: x", "Content-Length: 1", "Content-MD5: x", "Content-Digest: x", "Repr-Digest: x"],
)
def test_what_was_measured_with_holes_is_not_said_of_the_whole(line: str) -> None:
    """Validators and sums that the application gave are of other bytes."""
    assert fields(line)[0] not in page(plain(line), b"whole").fields


@pytest.mark.parametrize(
    ("places", "holds"), [((), True), ((0, 0, 10), True), ((11,), False), ((-1,), False), ((5, 3), False)]
)
def test_places_have_to_be_in_the_body(places: tuple[int, ...], holds: bool) -> None:
    """What comes from elsewhere may name places that are in no order, or outside."""
    assert plausible(tuple((place, "a") for place in places), 10) is holds


def test_filled_as_long_as_its_parts_last() -> None:
    """A page stays filled while each part is still the one that is held, valid, and fresh."""
    part, other = stored("Cache-Control: max-age=60"), stored("Cache-Control: max-age=60")
    held: dict[Key, Entry] = {(b"a",): part}
    filled = Filled(((held, (b"a",), part),), stored("Cache-Control: max-age=60"))
    assert filled.lasts(lambda *_: None, BORN)
    assert not filled.lasts(lambda *_: "purged", BORN)
    assert filled.lasts(lambda *_: None, BORN + 59.5)
    assert not filled.lasts(lambda *_: None, BORN + 60)
    held[b"a",] = other
    assert not filled.lasts(lambda *_: None, BORN)
