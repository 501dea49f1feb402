"""The stage that most scenarios share, and a scene on it for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.scene import Scene
from tests.faults.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_stage: list[Stage] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Make the shared stage, whose proxies are threads, before it is noted which threads are the test's own."""
    if "stage" in getattr(item, "fixturenames", ()) and not _stage:
        _stage.append(Stage())
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give up a stage on which a scenario failed; what its workers wrote goes into the report."""
    report = yield
    if report.failed and _stage and "stage" in getattr(item, "fixturenames", ()):
        report.sections.append(("workers", _stage[0].site.output[-6000:]))
        _stage.pop().close()
    return report


@pytest.fixture(scope="session")
def _ended() -> Iterator[None]:
    yield
    while _stage:
        _stage.pop().close()


@pytest.fixture
def stage(_ended: None) -> Stage:
    """The stage that scenarios share, whole again whatever the last one did to it."""
    _stage[0].restore()
    return _stage[0]


@pytest.fixture
def scene(stage: Stage) -> Iterator[Scene]:
    """A scene on the shared stage."""
    with Scene(stage) as scene:
        yield scene
