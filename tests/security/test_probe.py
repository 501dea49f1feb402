"""The probe: some four hundred pairs of requests over raw sockets, on every server, and on variants that are careless on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw import CacheMiddleware
from tests.security.careless import CARELESS
from tests.security.origin import pages
from tests.security.probe import ran
from tests.security.server import KINDS, Kind, as_process, on_a_thread
from tests.security.table import CHECKS

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_table_is_large_enough() -> None:
    """There are more than 220 checks, each with a name of its own, of each class."""
    assert len({check.id for check in CHECKS}) == len(CHECKS) > 220
    assert {check.kind for check in CHECKS} == {"leak", "poisoning", "deception", "cpdos", "kept"}


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Kind, int]]:
    """A kind of server and the port on which it serves the tricky origin behind the cache as it is by default."""
    kind: Kind = request.param
    if kind in {"uvicorn-httptools", "uvicorn-h11"}:
        with on_a_thread(CacheMiddleware(pages), http="h11" if kind == "uvicorn-h11" else "httptools") as port:
            yield kind, port
    else:
        with as_process(kind) as (port, _):
            yield kind, port


@pytest.mark.logs("is served but not stored")
def test_default_configuration_holds(server: tuple[Kind, int]) -> None:
    """Nothing of one visitor's reaches another, no attacker's input stays, no tag gets out, and what may be cached is."""
    kind, port = server
    found = {check.id: wrong for check in CHECKS if not check.only or kind in check.only if (wrong := ran(check, port))}
    assert not found


@pytest.mark.parametrize("bug", CARELESS)
@pytest.mark.logs("is served but not stored")
def test_careless_variant_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one rule taken out a check of its class fails."""
    CARELESS[bug](monkeypatch)
    kind = bug.partition(":")[0]
    with on_a_thread(CacheMiddleware(pages)) as port:
        assert any(ran(check, port) for check in CHECKS if check.kind == kind)
