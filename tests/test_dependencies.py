"""The record of what a page depends on: header and tags, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw import Dependencies
from cms_cache_mw.core.tags import TagError, read_tags

IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20)


@given(st.none() | IDS, st.lists(IDS, max_size=4), st.none() | IDS, st.none() | st.sampled_from(["de", "pt-BR"]))
def test_header_and_tags_come_back_as_the_record(
    page: str | None, blocks: list[str], template: str | None, language: str | None
) -> None:
    """What the header says is read as the same tags, and these as the same record."""
    record = Dependencies(page, tuple(dict.fromkeys(blocks)), template, language)
    read = read_tags(((b"cache-tag", record.header.encode()),), {b"cache-tag"})
    assert read == record.tags
    assert Dependencies.from_tags(read) == record


def test_ids_may_be_numbers() -> None:
    """Numbers and text make the same tags; nothing makes none."""
    assert Dependencies(12, (7, "menu")).tags == ("page:12", "block:7", "block:menu")
    assert Dependencies().header == ""


@pytest.mark.parametrize("page", ["two words", "", "ü" * 3, "x" * 300])
def test_ids_that_no_tag_can_hold_are_refused(page: str) -> None:
    """A record that could not be purged is no record."""
    if not page:
        assert Dependencies(page_id=page).tags == ("page:",)
        return
    with pytest.raises(TagError, match="a tag is 1 to 256 characters"):
        Dependencies(page_id=page)
