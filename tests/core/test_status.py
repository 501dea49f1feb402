"""Reasons, and the Cache-Status items made of them."""

from __future__ import annotations

from pathlib import Path

import http_sf
import pytest

from cms_cache_mw.core.status import HIT_MEMORY, HIT_SHARED, Reason, append, held, refused, write
from tests.core.messages import fields

FORWARDS = {"", "bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"}
"""The tokens of RFC 9211 §2.2."""
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "reference" / "reasons.md").read_text()


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_reasons(reason: Reason) -> None:
    """Each reason has a word of its own, a token of RFC 9211 or none, and one line that explains it."""
    assert [other for other in Reason if other.value == reason.value] == [reason]
    assert reason.value == reason.name.lower().replace("_", "-")
    assert reason.fwd in FORWARDS
    assert reason.meaning
    assert not set(reason.meaning) & {"\n", "."}


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_reasons_are_those_of_the_documentation(reason: Reason) -> None:
    """Logs, metrics and people's scripts know the words as the documentation has them."""
    assert f"\n| `{reason}` | {reason.fwd and f'`{reason.fwd}`'} | {reason.meaning} | " in DOCUMENTED


def test_no_two_reasons_mean_the_same() -> None:
    """Every line of explanation is different."""
    assert len({reason.meaning for reason in Reason}) == len(Reason)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (write(Reason.URI_MISS), b"cms-cache; fwd=uri-miss"),
        (write(Reason.URI_MISS, stored=True), b"cms-cache; fwd=uri-miss; stored"),
        (write(Reason.URI_MISS, collapsed=True), b"cms-cache; fwd=uri-miss; collapsed"),
        (write(Reason.VARY_MISS, stored=True, collapsed=True), b"cms-cache; fwd=vary-miss; stored; collapsed"),
        (write(Reason.METHOD), b"cms-cache; fwd=method"),
        (write(Reason.COOKIE), b"cms-cache; fwd=bypass; detail=cookie"),
        (write(Reason.EXPIRED, stored=True), b"cms-cache; fwd=stale; stored; detail=expired"),
        (write(Reason.REVALIDATED, 304), b"cms-cache; fwd=stale; fwd-status=304; detail=revalidated"),
        (write(Reason.STALE_ERROR, 503), b"cms-cache; fwd=stale; fwd-status=503; detail=stale-error"),
        (write(Reason.URI_MISS, detail=Reason.SET_COOKIE), b"cms-cache; fwd=uri-miss; detail=set-cookie"),
        (write(Reason.URI_MISS, detail=Reason.STORED, stored=True), b"cms-cache; fwd=uri-miss; stored"),
        (write(Reason.STATUS), b"cms-cache; detail=status"),
        (refused(), b"cms-cache; detail=only-if-cached"),
        (HIT_MEMORY % 59, b"cms-cache; hit; ttl=59; detail=memory"),
        (HIT_SHARED % -1.5, b"cms-cache; hit; ttl=-1; detail=shared"),
    ],
)
def test_items(item: bytes, expected: bytes) -> None:
    """RFC 9211 §2.1, §2.2, §2.3, §2.4, §2.5, §2.6, §2.8: hit or fwd, fwd-status, ttl, stored, collapsed and detail, never a key."""
    assert item == expected


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_items_are_structured_fields(reason: Reason) -> None:
    """RFC 9211 §2: a list of tokens with parameters, each of the type that its section gives it."""
    found = http_sf.parse(b"origin; hit, " + write(reason, 304, stored=True, collapsed=True), tltype="list")
    assert isinstance(found, list)
    assert isinstance(found[1], tuple)
    name, parameters = found[1]
    assert isinstance(parameters, dict)

    assert str(name) == "cms-cache"
    assert parameters["fwd-status"] == 304
    assert parameters["stored"] is parameters["collapsed"] is True
    assert str(parameters.get("fwd", "")) == reason.fwd
    assert "hit" not in parameters


def test_our_item_comes_last() -> None:
    """RFC 9211 §2: the cache nearest to the application comes first."""
    below = fields("Cache-Status: origin; hit", "X-A: 1")

    assert append(below, b"cms-cache; hit") == (*below, (b"cache-status", b"cms-cache; hit"))


def test_fields_of_a_plain_hit() -> None:
    """Age in whole seconds, and the item as `append` writes it."""
    assert held(7, 53) == (*fields("Age: 7"), *append((), HIT_MEMORY % 53))
