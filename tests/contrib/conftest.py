"""A real Wagtail site in two workers, under WSGI and under ASGI, for the tests of `contrib.django` and `contrib.wagtail`."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import urlencode

import pytest

from tests.contrib.forms import Form
from tests.contrib.project import STILL, Editing, Project
from tests.support.server import Server
from tests.support.site import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.client import Answer, Client

SERVED: Final = ["/sitemap.xml", "/feed/", "/search/?query=article"]
"""What is no page. 404s and redirects live for a minute only, too short for a busy machine."""
THOROUGH: Final = os.environ.get("TEST_WAGTAIL") == "thorough"
"""Whether every edit is tried, and under either interface, which `make ci-full` does."""
UNDER_BOTH: Final = {
    "test_second_visits_are_hits",
    "test_an_intro_changes_what_shows_it",
    "test_forms_work_for_two_visitors_at_once",
}
"""What is always tried under ASGI, too: the rest differs in nothing that the interface has to do with."""


class Magazine:
    """The site at work: two workers, a process that edits, and visitors without cookies."""

    def __init__(self, project: Project, server: Server, kind: str) -> None:
        self.project, self.kind = project, kind
        self.env = {"CMS_CACHE_REDIS_URL": server.url, "CMS_CACHE_NAMESPACE": kind} | STILL
        self.workers = [
            Worker("mysite.asgi:application", project.environment | self.env, project.folder / f"{kind}{number}.log")
            for number in range(2)
        ]
        for worker in self.workers:
            address = ["--host", "127.0.0.1", "--port", str(worker.port), "--workers", "1", "--no-ws"]
            interface = ["--interface", kind, "--working-dir", str(project.folder)]
            interface += ["--blocking-threads", "4"] if kind == "wsgi" else []
            app = f"mysite.{kind}:application"
            worker._command = [
                sys.executable,
                "-m",
                "granian",
                *address,
                *interface,
                "--log-level",
                "error",
                app,
            ]
        self.editing: Editing

    def __enter__(self) -> Self:
        self.project.reset()
        for worker in self.workers:
            worker.launch()
        self.editing = Editing(self.project, self.env)
        self.clients: list[Client] = [worker.client(timeout=90) for worker in self.workers]
        try:
            for worker in self.workers:
                worker.wait_until_ready(90)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.editing.__exit__()
        for client in self.clients:
            client.close()
        for worker in self.workers:
            worker.close()

    def run(self, code: str) -> Any:  # noqa: ANN401 - JSON
        """Edit."""
        return self.editing.run(code)

    def urls(self) -> list[str]:
        """Everything there is to see, but for the form."""
        pages = self.run(
            "result = [p.get_url_parts()[2] for p in Page.objects.live().filter(depth__gt=1).order_by('path')]"
        )
        return [*(url for url in pages if "/form" not in url), *SERVED]

    def warmed(self, urls: Iterable[str] | None = None) -> list[str]:
        """The URLs, each of them a hit in both workers now."""
        urls = list(self.urls() if urls is None else urls)
        for client in self.clients:
            for url in urls:
                client.get(url)
            cold = [(url, answer.status, answer.cache_status) for url in urls if not (answer := client.get(url)).level]
            assert cold == [], "not hits at the second visit"
        return urls

    def affected(self, code: str) -> set[str]:
        """The URLs that are no hits any more, in whichever worker, right after an edit."""
        urls = self.warmed()
        self.run(code)
        return self.lost(urls)

    def lost(self, urls: Iterable[str]) -> set[str]:
        """Those of the URLs that are no hits; the second worker is asked first what the first one has not rendered yet."""
        # A HEAD renders nothing that could be stored, so that each worker is asked about its own.
        found = [{url for url in urls if client.ask("HEAD", url).level is None} for client in self.clients]
        assert found[0] == found[1], "the workers differ"
        return found[0]

    def text(self, url: str, worker: int = 0) -> str:
        """What a visitor sees."""
        return self.get(url, worker).body.decode()

    def get(self, url: str, worker: int = 0, cookie: str = "") -> Answer:
        """The answer to a visitor."""
        return self.clients[worker].get(url, {"cookie": cookie} if cookie else None)

    def submit(self, url: str, cookie: str, to: str = "", **values: str) -> Answer:
        """The answer to a form of Wagtail's admin, with these values in place of those it suggests, sent to its own address or another."""
        page = self.get(url, 0, cookie)
        form = Form(page.body.decode(), url).fields | values
        token = re.search(r"csrftoken=\w+", page.field("set-cookie") or "")
        headers = {
            "cookie": f"{cookie}; {token[0]}" if token else cookie,
            "content-type": "application/x-www-form-urlencoded",
        }
        return self.clients[0].ask("POST", to or url, urlencode(form).encode(), headers)

    def login(self) -> str:
        """The cookies of an editor who has logged in."""
        code = """
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user = User.objects.get(username="editor")
session = SessionStore()
session.update({"_auth_user_id": str(user.pk), "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
                "_auth_user_hash": user.get_session_auth_hash()})
session.save()
result = session.session_key
"""
        return f"sessionid={self.run(code)}"


@pytest.fixture(scope="session")
def wagtail_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project, built once."""
    if importlib.util.find_spec("wagtail") is None:
        pytest.skip("Wagtail is not installed: pip install 'cms_cache_mw[wagtail]'")
    return Project(tmp_path_factory.mktemp("wagtail"), articles=4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, each by its name, what takes long or differs little."""
    if THOROUGH:
        return
    for item in items:
        name = item.originalname if isinstance(item, pytest.Function) else item.name
        if item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.skip(reason="another edit of a family that is tried: TEST_WAGTAIL=thorough"))
        elif "[asgi]" in item.name and "test_wagtail" in item.nodeid and name not in UNDER_BOTH:
            item.add_marker(pytest.mark.skip(reason="tried under WSGI; under ASGI, too: TEST_WAGTAIL=thorough"))


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def magazine(request: pytest.FixtureRequest, wagtail_project: Project) -> Iterator[Magazine]:
    """The site at work, under either interface, started once."""
    with Server("valkey") as server, Magazine(wagtail_project, server, cast("str", request.param)) as magazine:
        yield magazine
