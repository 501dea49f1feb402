"""Server processes that all tests of the wire share."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.http.site import Profile, Site
from tests.support.site import ROOT, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.site import Kind


def launched(kind: Kind, app: str, log: Path, **environment: str) -> Worker:
    """A server that is ready, with no Date of its own where it can be told so."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CMS_CACHE_")}
    worker = Worker(app, inherited | {"PYTHONPATH": str(ROOT), "UVICORN_DATE_HEADER": "0"} | environment, log, kind)
    try:
        worker.start()
    except BaseException:
        worker.close()
        raise
    return worker


@pytest.fixture(scope="session", params=["uvicorn", "granian"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Kind, int]]:
    """The kind of a running server and its port."""
    kind = cast("Kind", request.param)
    with tempfile.TemporaryDirectory() as folder:
        worker = launched(kind, "tests.http.application:app", Path(folder) / "log")
        try:
            yield kind, worker.port
        finally:
            worker.close()


@pytest.fixture
def site(server: tuple[Kind, int], profile: Profile) -> Iterator[Site]:
    """The site in the profile that a test's module or its mark names."""
    kind, port = server
    site = Site(port, profile, kind)
    yield site
    site.close()


@pytest.fixture(params=["cms", "rfc"])
def profile(request: pytest.FixtureRequest) -> Profile:
    """Both profiles in turn, unless a test names one."""
    return cast("Profile", request.param)
