"""Variants: equal meanings are equal bytes, different ones are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.rules import CMS, RFC, Rules
from cms_cache_mw.core.value import replace
from cms_cache_mw.core.vary import MAX_NAMES, names, variant, weight
from tests.core.messages import head, request

LANGUAGES = st.lists(
    st.tuples(st.sampled_from(["en", "de", "fr-CA", "*"]), st.sampled_from(["", ";q=1", ";q=0.5", " ; q=0"])),
    max_size=5,
)


@pytest.mark.parametrize(
    ("lines", "rules", "found"),
    [
        ([], RFC, ()),
        (["Vary:"], RFC, ()),
        (["Vary: B, a", "Vary: A,C"], RFC, (b"a", b"b", b"c")),
        (["Vary: *"], RFC, None),
        (["Vary: a", "Vary: b , *"], CMS, None),
        (["Vary: Cookie;q=1"], CMS, None),
        (["Vary: Accept Language"], RFC, None),
        (['Vary: "*"'], CMS, None),
        ([f"Vary: a{number}" for number in range(33)], CMS, None),
        (["Vary: Cookie, Accept-Encoding, User-Agent"], RFC, (b"accept-encoding", b"cookie", b"user-agent")),
        (["Vary: , Cookie"], CMS, ()),
        (["Vary: Cookie, Accept-Encoding, Accept-Language"], CMS, (b"accept-language",)),
        (["Vary: Accept-Encoding", "Content-Encoding: gzip"], CMS, (b"accept-encoding",)),
    ],
)
def test_names(lines: list[str], rules: Rules, found: tuple[bytes, ...] | None) -> None:
    """What Vary names, in one order, less what the rules have settled before; nothing where it says `*` or cannot be read."""
    assert names(head(*lines), rules) == found


@pytest.mark.parametrize(("many", "told"), [(MAX_NAMES, True), (MAX_NAMES + 1, False)])
def test_many_names(many: int, told: bool) -> None:
    """What varies by more fields than are worth comparing varies by nobody knows what."""
    found = names(head(*(f"Vary: x-{number}" for number in range(many))), RFC)
    assert (found is not None and len(found) == many) == told


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (b"gzip", (b"gzip", 1000)),
        (b"gzip;q=0.5", (b"gzip", 500)),
        (b"gzip ; Q=0.125", (b"gzip", 125)),
        (b"gzip;q=0", (b"gzip", 0)),
        (b"gzip;q=0.", (b"gzip", 0)),
        (b"gzip;q=1.000", (b"gzip", 1000)),
        (b"gzip;q=1.5", (b"gzip", 1000)),
        (b"gzip;q=0.1234", (b"gzip", 1000)),
        (b"gzip;q=0.-1", (b"gzip", 1000)),
        (b"gzip;q=.5", (b"gzip", 1000)),
        (b"gzip;q=x", (b"gzip", 1000)),
        (b"text/html;level=1;q=0.5;;", (b"text/html;level=1", 500)),
    ],
)
def test_weight(member: bytes, expected: tuple[bytes, int]) -> None:
    """A weight in thousandths, apart from what is weighed; an unreadable one is no weight."""
    assert weight(member) == expected


@pytest.mark.parametrize(
    ("value", "cms", "rfc"),
    [
        ("de, en;q=0.5", b"de,en;q=500", b"de,en;q=500"),
        ("en;q=0.5, DE", b"de,en;q=500", b"de,en;q=500"),
        ("fr, de", b"fr,de", b"de,fr"),
        ("fr;q=0.50,de ;q=0.5", b"fr;q=500,de;q=500", b"de;q=500,fr;q=500"),
        ("de;q=0", b"de;q=0", b"de;q=0"),
        ("de, de", b"de,de", b"de"),
        ("", b"", b""),
    ],
)
def test_languages(value: str, cms: bytes, rfc: bytes) -> None:
    """Languages by falling weight; the order of equals counts only where frameworks break ties by it."""
    asked = request(f"Accept-Language: {value}")

    assert variant(asked, (b"accept-language",), CMS) == ((b"accept-language", cms),)
    assert variant(asked, (b"accept-language",), RFC) == ((b"accept-language", rfc),)


@given(LANGUAGES, st.data())
def test_order_of_languages(members: list[tuple[str, str]], data: st.DataObject) -> None:
    """Under the RFC's rules any order of the same members is the same variant."""
    written = [name + q for name, q in members]
    other = data.draw(st.permutations(written))
    first, second = (request(f"Accept-Language: {','.join(lines)}") for lines in (written, other))

    assert variant(first, (b"accept-language",), RFC) == variant(second, (b"accept-language",), RFC)


@pytest.mark.parametrize("name", ["Cookie", "User-Agent", "Referer", "Authorization"])
def test_fields_that_are_no_lists(name: str) -> None:
    """A comma in such a field is text."""
    [(_, value)] = variant(request(f"{name}: a , b"), (name.lower().encode(),), RFC)

    assert value == b"a , b"


def test_codings_and_plain_fields() -> None:
    """Codings have no order; other fields keep theirs, and lose whitespace around commas."""
    asked = request("Accept-Encoding: br;q=1.0, GZIP,deflate;q=0.5", "X-A: b ,a", "User-Agent: a , b")

    assert variant(asked, (b"accept-encoding", b"user-agent", b"x-a", b"x-b"), replace(CMS, vary_user_agent=True)) == (
        (b"accept-encoding", b"br,gzip,deflate;q=500"),
        (b"user-agent", b"a , b"),
        (b"x-a", b"b,a"),
        (b"x-b", None),
    )


@given(st.binary(), st.sampled_from([b"accept-language", b"accept-encoding", b"cookie", b"x"]))
def test_variants_are_total(value: bytes, name: bytes) -> None:
    """Any bytes have a normal form."""
    asked = replace(request(), fields=((name, value),))

    assert isinstance(variant(asked, (name,), CMS)[0][1], bytes)
