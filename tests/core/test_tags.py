"""Tags: how headers spell them, what everything has unasked, and that no two things share a fingerprint."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core import tags
from cms_cache_mw.core.tags import (
    MAX_PREFIX_DEPTH,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    MAX_TAGS_BYTES,
    TagError,
    all_print,
    group_print,
    implicit_prints,
    prefix_print,
    prefixes,
    read_tag,
    read_tags,
    site_print,
    spelled,
    tag_print,
    tagging,
    url_print,
)
from tests.core.messages import fields

HEADERS = frozenset({b"cache-tag", b"surrogate-key", b"xkey", b"x-tags"})


@pytest.mark.parametrize(
    ("lines", "tags"),
    [
        ((), ()),
        (("Content-Type: text/html",), ()),
        (("Cache-Tag:",), ()),
        (("Cache-Tag: , ,\t,",), ()),
        (("Cache-Tag: page:1, block:7,,lang:de ",), ("page:1", "block:7", "lang:de")),
        (("Cache-Tag:page:1\t,\tblock:7",), ("page:1", "block:7")),
        (("Cache-Tag: a", "Cache-Tag: b", "Cache-Tag: a"), ("a", "b")),
        (("Surrogate-Key: page:1  block:7\tx",), ("page:1", "block:7", "x")),
        (("Surrogate-Key: a,b",), ("a,b",)),
        (("xkey: a b",), ("a", "b")),
        (("X-Tags: a, b\tc  ,d",), ("a", "b", "c", "d")),
        (("xkey: a", "Cache-Tag: b", "Surrogate-Key: a c"), ("a", "b", "c")),
        (("Cache-Tag: *, !, ~, a@de",), ("*", "!", "~", "a@de")),
        (("Edge-Cache-Tag: a",), ()),
        (("Cache-Tag: " + "x" * 256,), ("x" * 256,)),
    ],
)
def test_read_tags(lines: tuple[str, ...], tags: tuple[str, ...]) -> None:
    """`Cache-Tag` has commas, the others blanks, an own header either; each tag counts once, in order."""
    assert read_tags(fields(*lines), HEADERS) == tags


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Cache-Tag: page 1", "'page 1'"),
        ("Cache-Tag: ok, b\x0bc", r"'b\x0bc'"),
        ("Cache-Tag: a\x00", r"'a\x00'"),
        ("Cache-Tag: tür", "'tür'"),
        ("Surrogate-Key: a\nb", r"'a\nb'"),
        ("xkey: a \x7f", r"'\x7f'"),
        ("Cache-Tag: " + "x" * 257, "'" + "x" * 37 + "...'"),
    ],
)
def test_unreadable_tags(line: str, shown: str) -> None:
    """A tag that no purge could name is an error that shows it and says what would be right."""
    with pytest.raises(TagError) as caught:
        read_tags(fields(line), HEADERS)
    assert str(caught.value) == f"tag {shown}: a tag is 1 to 256 characters from '!' to '~', such as 'block:7'"


def test_as_many_tags_as_there_may_be() -> None:
    """512 tags are read, repetitions not counted; one more is an error that says how many there were."""
    most = [f"b:{number}" for number in range(MAX_TAGS)]
    line = "Cache-Tag: " + ",".join(most)
    assert read_tags(fields(line, line), HEADERS) == tuple(most)
    assert MAX_TAGS == 512
    with pytest.raises(TagError, match="513 tags: a response may have 512"):
        read_tags(fields(line, "xkey: one-more"), HEADERS)


@pytest.mark.parametrize("tag", ["", "a b", "a\n", "ä", "x" * (MAX_TAG_LENGTH + 1), " a", "\u2603"])
def test_read_tag_refuses(tag: str) -> None:
    """A purge cannot name what a header could not carry."""
    with pytest.raises(TagError):
        read_tag(tag)


READABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=MAX_TAG_LENGTH)


@given(st.lists(READABLE.filter(lambda tag: "," not in tag), max_size=6, unique=True))
def test_written_tags_are_read(tags: list[str]) -> None:
    """What is joined by commas or by blanks is read as it was."""
    for name, gap in (("Cache-Tag", ", "), ("Surrogate-Key", " "), ("X-Tags", " , ")):
        assert read_tags(fields(f"{name}: {gap.join(tags)}"), HEADERS) == tuple(tags)
    assert [read_tag(tag) for tag in tags] == tags


@given(st.binary(max_size=300))
def test_any_bytes_are_tags_or_an_error(value: bytes) -> None:
    """Whatever a header holds, what comes out can be purged by its name."""
    try:
        found = read_tags(((b"x-tags", value), (b"cache-tag", value)), HEADERS)
    except TagError:
        return
    assert [read_tag(tag) for tag in found] == list(found)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", ["cache-tag", "xkey", "x-tags"])
def test_takes_linear_time(name: str) -> None:
    """A header of blanks is read at once."""
    assert read_tags(((name.encode(), b" " * 40_000 + b"a" + b"\t" * 40_000 + b","),), {b"cache-tag", b"x-tags"}) in {
        ("a",),
        (),
    }


def test_kinds_are_apart() -> None:
    """A tag, a site, a URL, a prefix, a group and everything never share a fingerprint, however they are spelled."""
    prints = [
        all_print(),
        tag_print(""),
        tag_print("*"),
        tag_print("/a/"),
        tag_print("all"),
        site_print(""),
        site_print("*"),
        site_print("s"),
        site_print("/a/"),
        url_print(None, "/a/"),
        url_print("*", "/a/"),
        url_print("", "/a/"),
        url_print("s", "/a/"),
        url_print("s", "/a/", ""),
        url_print("s", "/a/", "x"),
        url_print("s", "/a/?x"),
        url_print(None, "/a/", "x"),
        prefix_print(None, "/a/"),
        prefix_print("*", "/a/"),
        prefix_print("s", "/a/"),
        group_print("s", "/a/"),
        group_print("s\0", "a"),
        tag_print("s\0/a/"),
    ]
    assert not [pair for pair in combinations(prints, 2) if pair[0] == pair[1]]
    assert all(0 <= value < 2**64 for value in prints)


def test_fingerprints_are_for_ever() -> None:
    """Workers of different versions speak of the same things in Redis: a fingerprint never changes."""
    found = [
        tag_print("block:7"),
        all_print(),
        site_print("s"),
        url_print("s", "/a"),
        url_print(None, "/a", "x"),
        prefix_print("s", "/"),
        group_print("o", "g"),
    ]
    assert found == [
        0x35CE0ACD15D80435,
        0x2A055AA69C069894,
        0x4725C02C93E99F0F,
        0x04B410BFC51C4E31,
        0x6A0A5A7A1E98F18C,
        0x66EBBA9892D84735,
        0x5C3D9129370DDA74,
    ]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", ["/"]),
        ("/a", ["/"]),
        ("/a/", ["/", "/a/"]),
        ("/en/news/today", ["/", "/en/", "/en/news/"]),
        ("//a", ["/", "//"]),
        ("/1/2/3/4/5/6/7/8/9/", ["/" + "".join(f"{n}/" for n in range(1, depth + 1)) for depth in range(9)]),
    ],
)
def test_prefixes(path: str, found: list[str]) -> None:
    """A path is below each of its ancestors that end in a slash, itself included, eight deep at most."""
    assert prefixes(path) == found
    assert len(found) <= MAX_PREFIX_DEPTH + 1


def test_implicit() -> None:
    """Everything, the site, the URL with and without its query and the prefixes, on this site and on any."""
    found = implicit_prints("s", "/a/b", "x=1")
    expected = {all_print(), site_print("s")}
    for site in ("s", None):
        expected |= {url_print(site, "/a/b"), url_print(site, "/a/b", "x=1")}
        expected |= {prefix_print(site, "/"), prefix_print(site, "/a/")}
    assert set(found) == expected
    assert len(found) == len(expected)


def test_implicit_without_a_query() -> None:
    """A URL without a query has no fingerprint for one, not even for an empty one."""
    assert url_print("s", "/a", "") not in implicit_prints("s", "/a", "")
    assert url_print("s", "/a") in implicit_prints("s", "/a", "")


ANY = implicit_prints("s", "/", "")


@pytest.mark.parametrize(
    ("names", "content_language", "extra"),
    [
        ((), "", ()),
        ((), "de", ("lang:de",)),
        (("page:1", "block:7"), "", ()),
        (("page:1", "block:7"), "de", ("lang:de", "page:1@de", "block:7@de")),
        (("page:1", "lang:fr"), "de", ("page:1@fr",)),
        (("page:1", "lang:fr"), "", ("page:1@fr",)),
        (("lang:fr", "page:1", "lang:en"), "", ("page:1@fr", "page:1@en")),
        (("page:1",), "de, fr ,", ("lang:de", "lang:fr", "page:1@de", "page:1@fr")),
        (("page:1", "page:1@de"), "de", ("lang:de", "page:1@de@de")),
    ],
)
def test_tagging(names: tuple[str, ...], content_language: str, extra: tuple[str, ...]) -> None:
    """An entry is of the languages of its `lang:` tags, else of Content-Language, and beside each tag has the tag in them."""
    found = tagging(names, ANY, content_language)
    assert found.names == names
    assert set(found.prints) == {*ANY, *map(tag_print, (*names, *extra))}
    assert len(set(found.prints)) == len(found.prints)


def test_tags_from_a_generator() -> None:
    """The names may come one by one, and a page need not say its language."""
    assert tagging((name for name in ("a", "lang:de")), ()).names == ("a", "lang:de")
    assert tagging(("a",), (1,)) == tagging(("a",), (1,), "")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("", "-"),
        ("block:7", "block:7"),
        ("a b", "a%20b"),
        ("é", "%C3%A9"),
        ("a\n", "a%0A"),
        ("!", "!"),
        ("\x7f", "%7F"),
        ("100%", "100%"),
        ("x" * 256, "x" * 256),
    ],
)
def test_spelled(text: str, tag: str) -> None:
    """Text is a tag as it is where it can be, percent-encoded elsewhere."""
    assert spelled(text) == tag


@given(st.text(max_size=400))
def test_any_text_is_spelled(text: str) -> None:
    """Whatever a tag is made of, it can be purged by its name."""
    assert read_tag(spelled(text)) == spelled(text)


def test_long_texts_stay_apart() -> None:
    """What is too long for a tag is cut and still tells apart."""
    one, other = spelled("x" * 300 + "1"), spelled("x" * 300 + "2")
    assert one != other
    assert max(len(one), len(other)) <= MAX_TAG_LENGTH


def test_broken_text_is_spelled() -> None:
    """Half a surrogate pair, which no encoding has, is no reason to fail."""
    assert read_tag(spelled("\ud800")) != read_tag(spelled("\ud801"))


def test_more_tags_than_are_read() -> None:
    """Headers longer than all tags there may be are refused unread, whatever is in them."""
    line = "Cache-Tag: " + ",".join(["a"] * 200_000)
    with pytest.raises(TagError, match="bytes of tags"):
        read_tags(fields(line), HEADERS)


def test_long_texts_are_not_remembered() -> None:
    """A fingerprint of a visitor's long URL costs no memory, and is the same each time."""
    before = tags._known.cache_info().currsize
    assert url_print("a", "/" + "x" * 60_000) == url_print("a", "/" + "x" * 60_000)
    assert tags._known.cache_info().currsize == before


def test_remembered_fingerprints_are_counted() -> None:
    """Each takes some bytes, up to a bound."""
    tags.tag_print("of:this-test")
    assert 0 < tags.remembered_bytes() <= 1_024 * 450
    before = tags.remembered_bytes()
    tags._known.cache_clear()
    assert tags.remembered_bytes() == 0
    for name in ("a", "b", "a"):
        tags.tag_print(name)
    assert tags.remembered_bytes() == 2 * 450
    assert before % 450 == 0


@pytest.mark.parametrize(("size", "read"), [(MAX_TAGS_BYTES, True), (MAX_TAGS_BYTES + 1, False)])
def test_longest_header(size: int, read: bool) -> None:
    """As many bytes as all tags there may be are read, and not one more."""
    line = ((b"cache-tag", b"a".ljust(size, b",")),)
    if read:
        assert read_tags(line, HEADERS) == ("a",)
    else:
        with pytest.raises(TagError, match=f"{size} bytes of tags"):
            read_tags(line, HEADERS)


def test_empty_segments_are_ancestors() -> None:
    """A path with two slashes in a row lies below the path that ends with them."""
    assert prefixes("/a//b/") == ["/", "/a/", "/a//", "/a//b/"]


def test_what_is_too_long_is_spelled_the_same_in_every_release() -> None:
    """Its beginning and a digest: who purges it may be another release than who stored it."""
    assert spelled("x" * 300) == "x" * 200 + "~296a7bce08325b75b90d23204fd50b75"


def test_any_text_has_a_fingerprint() -> None:
    """Bytes that are no UTF-8, as file systems and WSGI have them, and halves of characters, break nothing."""
    assert len({tag_print("a"), tag_print("a\udcff"), tag_print("a\udcfe")}) == 3
    assert len({spelled("\ud800" * 300), spelled("\ud801" * 300)}) == 2
