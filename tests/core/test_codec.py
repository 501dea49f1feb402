"""Entries as bytes: what is written is read, and nothing else is."""

from __future__ import annotations

import struct
from dataclasses import replace
from math import inf, nan

import msgspec
import pytest
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cms_cache_mw.core import codec
from cms_cache_mw.core.codec import decode, encode, encode_names
from cms_cache_mw.core.entry import Entry, Freshness

DIGEST = bytes(range(16))
SECRET = b"s" * 32
NOW, WALL = 5_000.0, 1_800_000_000.0
HEAD = struct.Struct(">BBQQqI16s")

SECONDS = st.floats(0, 1e9)
BYTES = st.binary(max_size=20)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.integers(0, 2**64 - 1)
ENTRIES = st.builds(
    Entry,
    status=st.integers(200, 599),
    fields=st.lists(st.tuples(BYTES, BYTES), max_size=3).map(tuple),
    body=st.binary(max_size=300),
    freshness=st.builds(Freshness, SECONDS, SECONDS, SECONDS, SECONDS, st.booleans(), st.booleans()),
    born=st.floats(NOW - 1e6, NOW),
    epoch=NUMBERS,
    base=NUMBERS,
    prints=st.lists(NUMBERS, max_size=4).map(tuple),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    site=TEXT,
    url=TEXT,
    variant=st.lists(st.tuples(BYTES, st.none() | BYTES), max_size=2).map(tuple),
    render_ms=SECONDS,
    encoded=st.dictionaries(BYTES, BYTES, max_size=2),
)
PLACES = st.lists(st.tuples(st.integers(0, 300), TEXT), max_size=3)
ENTRY = Entry(
    200,
    ((b"content-type", b"text/html"), (b"x", b"")),
    b"<p>body</p>",
    Freshness(60.0, 1.0, 2.0, 3.0, strict=True),
    born=NOW - 7,
    epoch=2**63,
    base=12,
    prints=(1, 2**64 - 1),
    tags=("page:1", "lang:de"),
    site="example.org",
    url="/a?b",
    variant=((b"accept-language", b"de"), (b"x", None)),
    render_ms=12.5,
    encoded={b"gzip": b"\x1f\x8b"},
)


def read(data: bytes, digest: bytes = DIGEST, secret: bytes | None = None) -> Entry | tuple[bytes, ...] | None:
    """What `data` holds, at the instant it was written."""
    return decode(data, digest, now=NOW, wall=WALL, secret=secret)


def written(entry: Entry = ENTRY, secret: bytes | None = None) -> bytes:
    """An entry's bytes."""
    return encode(entry, DIGEST, now=NOW, wall=WALL, secret=secret)


@settings(max_examples=40)
@given(ENTRIES, PLACES, st.none() | st.just(SECRET))
@example(ENTRY, [], None)
def test_what_is_written_is_read(entry: Entry, places: list[tuple[int, str]], secret: bytes | None) -> None:
    """Every fact of an entry comes back, its birth to the microsecond."""
    entry = replace(entry, holes=tuple(sorted((place, name) for place, name in places if place <= len(entry.body))))
    found = read(written(entry, secret), secret=secret)
    assert isinstance(found, Entry)
    assert abs(found.born - entry.born) < 1e-5
    assert replace(found, born=entry.born) == entry


@given(st.lists(BYTES, max_size=4).map(tuple), st.none() | st.just(SECRET))
def test_names_are_read(names: tuple[bytes, ...], secret: bytes | None) -> None:
    """The names that variants go by come back."""
    assert read(encode_names(names, DIGEST, secret), secret=secret) == names


def test_age_counts_between_hosts() -> None:
    """On another host, whose monotonic clock is another, the entry has aged by the wall clock."""
    found = decode(written(), DIGEST, now=100.0, wall=WALL + 30)
    assert isinstance(found, Entry)
    assert found.age(100.0) == pytest.approx(37, abs=1e-5)


def test_age_is_never_negative() -> None:
    """Written by a host whose clock is ahead, an entry is new, not from the future."""
    found = decode(written(), DIGEST, now=100.0, wall=WALL - 3600)
    assert isinstance(found, Entry)
    assert found.born == 100.0


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_nothing(data: bytes) -> None:
    """Foreign bytes are nothing, and no error."""
    assert read(data) is None


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize(
    "data", [written(), written(secret=SECRET), encode_names((b"a",), DIGEST), encode_names((b"a",), DIGEST, SECRET)]
)
def test_every_flipped_byte_is_noticed(data: bytes, secret: bytes | None) -> None:
    """A value with any one byte changed, or with the end cut off or added to, is nothing."""
    for place in range(len(data)):
        for mask in (0x01, 0x80, 0xFF):
            flipped = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
            assert read(flipped, secret=secret) is None
        assert read(data[:place], secret=secret) is None
    assert read(data + b"\0", secret=secret) is None


def test_bound_to_its_key() -> None:
    """A value copied under another key is nothing."""
    assert read(written(), digest=bytes(16)) is None
    assert read(encode_names((b"a",), DIGEST), digest=bytes(16)) is None


@pytest.mark.parametrize("wrote", [None, SECRET, b"t" * 32])
@pytest.mark.parametrize("reads", [None, SECRET, b"t" * 32])
def test_bound_to_the_secret(wrote: bytes | None, reads: bytes | None) -> None:
    """Only who has the secret that a value was written with can read it."""
    assert (read(written(secret=wrote), secret=reads) is not None) == (wrote == reads)
    assert (read(encode_names((b"a",), DIGEST, wrote), secret=reads) is not None) == (wrote == reads)


def forged(meta: bytes, *, magic: int = codec.MAGIC, version: int = codec.FORMAT, length: int | None = None) -> bytes:
    """A value with a right check sum around any meta block."""
    rest = HEAD.pack(magic, version, 1, 1, 0, len(meta) if length is None else length, DIGEST) + meta
    return blake3(rest).digest(8) + rest


FACTS: list[object] = [200, [], [1.0, 0.0, 0.0, 0.0, False, False], b"", [], "", "", [], 0.0, {}, []]


def test_forged_value_is_read() -> None:
    """The forger of these tests knows the format: what it writes with plausible facts is an entry."""
    found = read(forged(msgspec.msgpack.encode(FACTS)))
    assert isinstance(found, Entry)
    assert (found.status, found.freshness.lifetime, found.body) == (200, 1.0, b"")


def test_formats_are_told_apart_for_ever() -> None:
    """Releases share a Redis: whoever changes what is written raises the format's number, and this test."""
    assert written()[8:10] == b"\xc5\1"
    assert encode_names((b"a",), DIGEST)[8:10] == b"\xc6\1"


@pytest.mark.parametrize("version", [0, 2, 255])
@pytest.mark.parametrize("magic", [codec.MAGIC, codec.VARIES])
def test_other_versions_are_nothing(version: int, magic: int) -> None:
    """A worker of another version wrote in another format: a miss, in a rolling deployment."""
    meta = msgspec.msgpack.encode(FACTS if magic == codec.MAGIC else [b"a"])
    assert read(forged(meta, magic=magic)) is not None
    assert read(forged(meta, magic=magic, version=version)) is None


def test_unknown_kind_is_nothing() -> None:
    """A value that is neither an entry nor names is nothing."""
    assert read(forged(msgspec.msgpack.encode(FACTS), magic=0xC7)) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 99),
        (0, 100),
        (0, 600),
        (0, -1),
        (0, 2**70),
        (0, "200"),
        (1, [[b"a"]]),
        (1, [["a", "b"]]),
        (2, [nan, 0.0, 0.0, 0.0, False, False]),
        (2, [1.0, inf, 0.0, 0.0, False, False]),
        (2, [1.0, 0.0, 0.0, 0.0, False]),
        (3, b"1234567"),
        (3, "12345678"),
        (4, [1]),
        (5, None),
        (6, b"\xff"),
        (7, [[b"a", 1]]),
        (8, nan),
        (8, -inf),
        (9, {"gzip": b""}),
        (9, {b"gzip": None}),
        (10, [[1, "beyond the body"]]),
        (10, [[-1, "before it"]]),
        (10, [[0, b"bytes"]]),
    ],
)
def test_facts_that_nothing_could_be_done_with(place: int, value: object) -> None:
    """Even under a right check sum: a lifetime that is no number, cut fingerprints, wrong types are nothing."""
    facts = list(FACTS)
    facts[place] = value
    assert read(forged(_packed(facts))) is None


def _packed(facts: list[object]) -> bytes:
    """MessagePack, of integers beyond 64 bits a float."""
    return msgspec.msgpack.encode([float(fact) if isinstance(fact, int) and fact > 2**64 else fact for fact in facts])


PLAUSIBLE = msgspec.msgpack.encode(FACTS)
UNREADABLE = {
    "empty": b"",
    "never used": b"\xc1",
    "cut text": b"\xda\xff\xff",
    "cut list": b"\x9a",
    "facts missing": msgspec.msgpack.encode(FACTS[:-2]),
    "no UTF-8": msgspec.msgpack.encode([*FACTS[:6], "@@", *FACTS[7:]]).replace(b"@@", b"\xff\xfe"),
    "one fact more, and deep": b"\x9c" + PLAUSIBLE[1:] + b"\x91" * 5_000,
}


@pytest.mark.parametrize("meta", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("magic", [codec.MAGIC, codec.VARIES])
def test_unreadable_meta_is_nothing(meta: bytes, magic: int) -> None:
    """Whatever stands where the facts should, there is no error."""
    assert PLAUSIBLE[:1] == b"\x9b"
    assert read(forged(meta, magic=magic)) is None


@pytest.mark.parametrize("names", [b"\x91\xa1\xff", b"\x91" * 5_000, b"\x91\xa1a\x00", b"\x80"])
def test_unreadable_names_are_nothing(names: bytes) -> None:
    """The same where names should stand: text, depth, more than names, no list."""
    assert read(forged(names, magic=codec.VARIES)) is None


@given(st.binary(max_size=80), st.sampled_from([codec.MAGIC, codec.VARIES]), st.integers(0, 100))
def test_any_meta_is_an_entry_or_nothing(meta: bytes, magic: int, length: int) -> None:
    """Reading is total, also behind the check sum."""
    found = read(forged(meta, magic=magic, length=length))
    assert found is None or isinstance(found, tuple | Entry)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=2) | st.binary(max_size=2), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(st.integers(0, len(FACTS) - 1), VALUES)
def test_any_fact_is_plausible_or_refused(place: int, value: object) -> None:
    """An entry that comes out can be reckoned with and written again."""
    facts = list(FACTS)
    facts[place] = value
    found = read(forged(msgspec.msgpack.encode(facts)))
    if found is not None:
        assert isinstance(found, Entry)
        assert b"%d" % found.remaining(NOW)
        assert isinstance(read(written(found)), Entry)
