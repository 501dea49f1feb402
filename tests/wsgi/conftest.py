"""Stages of WSGI servers, one for each kind, that the fault scenarios share."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from tests.faults.scene import Scene
from tests.faults.stage import Stage
from tests.wsgi.servers import APP, under

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.wsgi.servers import Kind

_stages: dict[Kind, Stage] = {}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Make a stage, whose proxies are threads, before it is noted which threads are the test's own."""
    if isinstance(item, pytest.Function) and "wsgi_stage" in item.fixturenames:
        kind = cast("Kind", item.callspec.params["kind"])
        if kind not in _stages:
            _stages[kind] = Stage(app=APP)
    return (yield)


@pytest.fixture(scope="session")
def _ended() -> Iterator[None]:
    yield
    while _stages:
        _stages.popitem()[1].close()


@pytest.fixture
def wsgi_stage(_ended: None, kind: Kind) -> Stage:
    """The stage of a kind, whole again whatever the last scenario did to it."""
    under(_stages[kind].site, kind)
    _stages[kind].restore()
    return _stages[kind]


@pytest.fixture
def scene(wsgi_stage: Stage) -> Iterator[Scene]:
    """A scene on the stage."""
    with Scene(wsgi_stage) as scene:
        yield scene
