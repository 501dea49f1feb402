"""What is learnt of a server, and what of it deserves a word."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.purge.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.purge.link import Link
    from tests.support.server import Server


@pytest.mark.parametrize(
    ("survey", "lag", "words"),
    [
        (Survey(), 0.0, []),
        (Survey(min_replicas=1), 0.0, []),
        (Survey(replicas=2), 11.0, ["2 replicas"]),
        (Survey(promoted=True), 11.0, ["0 replicas"]),
        (Survey(replicas=1, min_replicas=1, max_lag=4.0), 5.0, []),
        (Survey(policy="volatile-lru"), 0.0, []),
        (Survey(policy="noeviction"), 0.0, []),
        (Survey(policy="allkeys-lfu"), 0.0, ["allkeys-lfu"]),
        (Survey(replicas=1, policy="allkeys-lru"), 11.0, ["1 replicas", "allkeys-lru"]),
    ],
)
def test_judgement(survey: Survey, lag: float, words: list[str]) -> None:
    """Replicas add to what purgers wait for; what weakens the promise is said with what to set instead."""
    assert survey.lag == lag
    warnings = survey.warnings()
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert word in warning
        assert "set " in warning


def test_plain_server(link: Link) -> None:
    """A server as it comes has no replicas and evicts nothing."""
    assert link.survey() == Survey(policy="noeviction")


def test_settings_are_read(own_server: Server, connect: Callable[..., Link]) -> None:
    """Settings are taken as they are on the server."""
    client = own_server.client()
    client.config_set("min-replicas-to-write", "2")
    client.config_set("min-replicas-max-lag", "7")
    client.config_set("maxmemory-policy", "allkeys-random")
    assert connect(own_server.url).survey() == Survey(min_replicas=2, max_lag=7.0, policy="allkeys-random")


@pytest.mark.parametrize(
    ("forbidden", "expected"),
    [
        ("-config", Survey(min_replicas=1, policy="volatile-ttl")),
        ("-info", Survey(min_replicas=3, max_lag=7.0)),
        ("-@all", Survey()),
    ],
)
def test_what_is_forbidden_is_assumed(
    own_server: Server,
    connect: Callable[..., Link],
    caplog: pytest.LogCaptureFixture,
    forbidden: str,
    expected: Survey,
) -> None:
    """A server that does not tell all is taken for one with Redis's defaults, and the debug log says so."""
    caplog.set_level(logging.DEBUG, "cms_cache_mw")
    client = own_server.client()
    client.config_set("min-replicas-to-write", "3")
    client.config_set("min-replicas-max-lag", "7")
    client.config_set("maxmemory-policy", "volatile-ttl")
    client.acl_setuser("shy", enabled=True, passwords=["+x"], commands=["+@all"], keys=["*"])
    client.execute_command("ACL", "SETUSER", "shy", forbidden)  # type: ignore[no-untyped-call]
    link = connect(own_server.url.replace("//", "//shy:x@"))
    assert link.survey() == expected
    assert "does not tell all" in caplog.text
