"""Every input of the corpus, and some made of it, break no promise; a broken parser is found among them."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms_cache_mw.core import codec, cookies, dates
from tests.fuzz.corpus import corpus_of
from tests.fuzz.mutation import MOST, mutated
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_corpus(name: str) -> None:
    """Nothing of what was found once breaks the target again."""
    assert len(corpus_of(name)) >= 5
    for raw in corpus_of(name):
        TARGETS[name](raw)


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name: str) -> None:
    """Some hundred inputs made of the corpus, other ones each time."""
    chance = random.Random()
    for _ in range(400):
        raw = mutated(corpus_of(name), chance)
        assert len(raw) <= MOST
        try:
            TARGETS[name](raw)
        except Exception as error:
            raise AssertionError(f"{name}: {raw!r}") from error


@pytest.mark.parametrize("name", ["values", "keys", "policy", "decoder"])
@given(raw=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes(name: str, raw: bytes) -> None:
    """Bytes without any meaning break nothing either."""
    TARGETS[name](raw)


BROKEN = {
    "values": (dates, "parse_date", lambda text, _: int(text)),
    "keys": (cookies.Cookies, "sort", lambda _, value: cookies.Jar(sent=value.decode("ascii").encode())),
    "decoder": (codec._Meta, "plausible", True),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_parser_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that takes what it reads for granted fails on the corpus or on what is made of it."""
    owner, attribute, careless = BROKEN[name]
    monkeypatch.setattr(owner, attribute, careless)
    chance = random.Random(1)
    inputs = [*corpus_of(name), *(mutated(corpus_of(name), chance) for _ in range(2_000))]

    def all_of_them() -> None:
        for raw in inputs:
            TARGETS[name](raw)

    with pytest.raises((ValueError, AssertionError, struct.error)):
        all_of_them()
