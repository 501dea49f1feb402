"""Tokens: who is who, in constant time, and how often a wrong one may be tried."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.admin.tokens import WRONG_A_MINUTE, Owner, Tokens

if TYPE_CHECKING:
    from tests.support.clock import Clock

NAMED: dict[str, tuple[str, tuple[str, ...]]] = {
    "ops": ("token-of-ops", ("read", "purge")),
    "editor": ("token-of-editors", ("purge",)),
    "last": ("token-of-last", ("read",)),
}


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    """Three named tokens."""
    return Tokens(NAMED, clock.now)


@pytest.mark.parametrize(
    ("authorization", "owner"),
    [
        (b"Bearer token-of-ops", "ops"),
        (b"bearer token-of-editors", "editor"),
        (b"BEARER  token-of-last ", "last"),
        (None, None),
        (b"", None),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"Bearer token-of-op", None),
        (b"Bearer token-of-opsx", None),
        (b"Bearer Token-of-ops", None),
        (b"Bearer token-of-ops token-of-editors", None),
        (b"Basic token-of-ops", None),
        (b"token-of-ops", None),
        (b"Bearer\ttoken-of-ops", None),
        (b"Bearer ops", None),
        (b"Bearer \xff\x00", None),
        (b"Bearer " + b"x" * 100_000, None),
    ],
)
def test_owner(tokens: Tokens, authorization: bytes | None, owner: str | None) -> None:
    """A bearer token belongs to the name it was given; anything else to nobody."""
    found = tokens.owner(authorization)
    assert (found.name if found else None) == owner


def test_scopes(tokens: Tokens) -> None:
    """An owner has the scopes that go with the token."""
    for name, (token, scopes) in NAMED.items():
        assert tokens.owner(f"Bearer {token}".encode()) == Owner(name, frozenset(scopes))


def test_true_where_there_are_any(clock: Clock) -> None:
    """Without tokens there is nobody to be."""
    assert Tokens(NAMED, clock.now)
    assert not Tokens({}, clock.now)
    assert Tokens({}, clock.now).owner(b"Bearer ") is None


def test_takes_the_same_way_for_all(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given is compared with every token, as digests of one length, by a comparison in constant time."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for authorization in (
        b"Bearer token-of-ops",
        b"Bearer token-of-last",
        b"Bearer wrong",
        b"Basic token-of-ops",
        None,
    ):
        compared.clear()
        tokens.owner(authorization)
        assert len(compared) == len(NAMED)
        assert {len(side) for pair in compared for side in pair} == {32}


def test_does_not_keep_the_tokens(tokens: Tokens) -> None:
    """What is kept is digests: a dump of the process's objects shows no token."""
    assert "token-of" not in repr(vars(tokens))


def test_too_many_in_a_minute(tokens: Tokens, clock: Clock) -> None:
    """Sixty wrong ones a minute are counted, more are too many; the next minute starts over."""
    assert [tokens.too_many() for _ in range(WRONG_A_MINUTE + 2)] == [False] * 60 + [True] * 2
    clock.advance(59.9)
    assert tokens.too_many()
    clock.advance(0.1)
    assert not tokens.too_many()
