"""The tour of the gazette: edits through Wagtail's models in this process, and asks both workers what visitors see, at once after.

This process serves nobody. It is to the cache what a cron job or a management command is: it purges through Redis.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from examples.newsroom.tour.port import HOST, held, number_of
from examples.newsroom.tour.stage import Process, StageError, Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROJECT = Path(__file__).resolve().parent
PATIENCE = 120.0
NOT_FOUND = 404
HITS = 4_000
"""Visits of cached pages that are measured: one of them takes less than a processor's clock can tell."""


class Answer(NamedTuple):
    """What a visitor got."""

    status: int
    cache: str
    body: str
    seconds: float

    @property
    def hit(self) -> bool:
        """Whether no Django code ran."""
        return "; hit" in self.cache


class Visitor:
    """A connection to one worker, by the name of one host."""

    def __init__(self, port: int, site: str) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        self._site = site

    def close(self) -> None:
        """End the connection; the next question makes another."""
        self._connection.close()

    def get(self, path: str, cookie: str = "") -> Answer:
        """The answer at a path."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"Host": self._site, "Cookie": cookie})
        answer = self._connection.getresponse()
        body = answer.read().decode()
        return Answer(answer.status, answer.headers.get("cache-status", ""), body, time.perf_counter() - began)


class Tour:
    """The steps and their claims. `workers` are visitors of the gazette, `shop` one of the second host, `site` the first worker."""

    def __init__(self, ports: Iterable[int], port: int, site: Process) -> None:
        ports, self.site = list(ports), site
        self.workers = [Visitor(number, f"localhost:{port}") for number in ports]
        self.shop = Visitor(ports[0], f"books.localhost:{port}")
        self.claims = self.broken = 0

    def claim(self, text: str, holds: bool) -> None:  # noqa: FBT001 - the claim itself
        """State what was found to hold, or not."""
        self.claims += 1
        self.broken += not holds
        print(f"  {'✔' if holds else '✘'} {text}", flush=True)

    def step(self, text: str) -> None:
        """A headline."""
        print(f"\n{text}", flush=True)

    def hits(self, *paths: str) -> bool:
        """Whether all of them are hits in both workers."""
        return all(worker.get(path).hit for worker in self.workers for path in paths)

    def show(self, path: str, text: str) -> bool:
        """Whether both workers show a text at a path."""
        return all(text in worker.get(path).body for worker in self.workers)

    def warm(self, *paths: str) -> None:
        """Visit all of them twice, in both workers."""
        for worker in self.workers:
            for path in (*paths, *paths):
                worker.get(path)


def visits(tour: Tour) -> None:
    """Every page, twice."""
    from wagtail.models import Page  # noqa: PLC0415 - Django is set up by then

    pages = Page.objects.live().filter(url_path__startswith="/gazette/")
    paths = [page.get_url_parts()[2] for page in pages]
    paths = [path for path in paths if not path.endswith(("/write/", "/members/"))] + [
        "/sitemap.xml",
        "/feed/",
        "/en/none/",
    ]
    tour.step(f"{len(paths)} URLs: pages in two languages, sections, feed, sitemap, a 404")
    visitor, cost = tour.workers[0], tour.site.spent()
    rendered = [visitor.get(path).seconds for path in paths]
    rendering = (tour.site.spent() - cost) / len(paths)
    again = [worker.get(path) for worker in tour.workers for path in (*paths, *paths)]
    tour.claim("every second visit is a hit, in both workers", all(answer.hit for answer in again[len(paths) * 3 :]))
    cost = tour.site.spent()
    cached = [answer.seconds for _ in range(HITS // len(paths)) for path in paths if (answer := visitor.get(path)).hit]
    hitting = (tour.site.spent() - cost) / len(cached)
    slow, fast = median(rendered) * 1000, median(cached) * 1000
    tour.claim(f"rendered in {slow:.1f} ms, cached in {fast:.2f} ms: {slow / fast:.0f} times as fast", fast < slow)
    if hitting:
        claim = f"{rendering * 1000:.1f} ms of the worker's processor time for a rendered page, {hitting * 1000:.3f} for a cached one"
        tour.claim(f"{claim}: {rendering / hitting:.0f} times less", hitting < rendering)


def edits(tour: Tour) -> None:
    """Publishing, drafts, lists, both sites."""
    from gazette.models import Article, Author  # noqa: PLC0415 - Django is set up by then

    article = Article.objects.get(slug="city-3")
    near, far = ["/en/city/city-3/", "/en/city/", "/feed/"], ["/en/culture/", "/en/city/city-4/", "/de/city/"]
    tour.warm(*near, *far)
    tour.step("An editor works on an article")
    article.title = "A bridge for the city"
    revision = article.save_revision()
    tour.claim("saving a draft changes nothing", tour.hits(*near, *far))
    revision.publish()
    tour.claim("published: both workers show it at once", tour.show("/en/city/city-3/", "A bridge"))
    tour.claim("so does its section", tour.show("/en/city/", "A bridge"))
    tour.claim("all else is still cached", tour.hits(*far))
    tour.warm(*near)
    Author.objects.filter(name="Ada").update(name="Ada L.")
    tour.claim(
        "a snippet: its articles show it, the others stay",
        tour.show("/en/city/city-4/", "Ada L.") and tour.hits("/en/city/city-3/"),
    )
    article.refresh_from_db()
    article.unpublish()
    tour.claim("unpublished: gone", all(worker.get("/en/city/city-3/").status == NOT_FOUND for worker in tour.workers))
    article.get_latest_revision().publish()
    tour.claim("published again: back, though the 404 was cached", tour.show("/en/city/city-3/", "A bridge"))
    tour.shop.get("/en/shelf-1/")
    tour.claim("the second host keeps its own pages", tour.shop.get("/en/shelf-1/").hit)


def visitors(tour: Tour) -> None:
    """Editors, forms, passwords."""
    tour.step("Visitors who are somebody")
    from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY  # noqa: PLC0415 - Django is set up by then
    from django.contrib.auth.models import User  # noqa: PLC0415 - the same
    from django.contrib.sessions.backends.db import SessionStore  # noqa: PLC0415 - the same

    user, session = User.objects.get(), SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    seen = tour.workers[0].get("/en/", f"sessionid={session.session_key}")
    tour.claim("an editor has the userbar and no cached page", "wagtail-userbar" in seen.body and not seen.hit)
    tour.claim("nobody else has it", "wagtail-userbar" not in tour.workers[0].get("/en/").body)
    forms = [tour.workers[0].get("/en/write/") for _ in range(3)]
    tour.claim("a form is everybody's own", len({form.body for form in forms}) == len(forms))
    members = [tour.workers[0].get("/en/members/") for _ in range(2)]
    tour.claim(
        "a page behind a password is never cached",
        not any(answer.hit or "Hello, member" in answer.body for answer in members),
    )


STEPS: tuple[Callable[[Tour], None], ...] = (visits, edits, visitors)


def main() -> int:
    """Start everything, take the tour, serve; the exit code."""
    port, folder, mode = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    _follow_parent()
    second = held(0)
    valkey = Valkey(folder)
    sites: list[Process] = []
    try:
        valkey.start()
        os.environ |= {
            "GAZETTE_FOLDER": str(folder),
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "CMS_CACHE_REDIS_URL": f"redis://{HOST}:{valkey.port}/0",
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT.parents[1])]),
        }
        sys.path.insert(0, str(PROJECT))
        _sow()
        ports = [port, number_of(second)]
        sites += [_site(number, folder) for number in ports]
        tour = Tour(ports, 8000, sites[0])
        _wait(tour, sites)
        return _shown(tour, mode, port)
    except StageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        for site in sites:
            site.stop()
        valkey.close()
        second.close()


def _shown(tour: Tour, mode: str, port: int) -> int:
    if mode != "serve":
        for step in STEPS:
            step(tour)
        print(f"\n{tour.claims - tour.broken} of {tour.claims} claims held", flush=True)
    if mode == "check":
        return int(tour.broken > 0)
    print(f"\nhttp://localhost:{port}/ and http://books.localhost:{port}/, edited at http://localhost:{port}/admin/")
    print("as editor with the password gazette. Ctrl-C ends it.", flush=True)
    signal.pause()
    return 0


def _sow() -> None:
    import django  # noqa: PLC0415 - it reads the environment
    from django.apps import apps  # noqa: PLC0415 - the same
    from django.conf import settings  # noqa: PLC0415 - the same
    from django.core.management import call_command  # noqa: PLC0415 - the same
    from django.db import transaction  # noqa: PLC0415 - the same

    print("Creating Wagtail's tables and 130 pages …", flush=True)
    django.setup()
    settings.MIGRATION_MODULES = {config.label: None for config in apps.get_app_configs()}
    # The tables as the models have them: Wagtail's two hundred migrations would take half a minute.
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    from gazette.seed import sow  # noqa: PLC0415 - needs models

    with transaction.atomic():
        sow()


def _site(port: int, folder: Path) -> Process:
    command = [sys.executable, "-W", "ignore", "-m", "granian", "--interface", "wsgi", "--workers", "1", "--host", HOST]
    command += ["--port", str(port), "--no-ws", "--blocking-threads", "8", "--log-level", "error"]
    command += ["--static-path-route", "/static", "--static-path-mount", str(folder / "static")]
    command += ["--working-dir", str(PROJECT), "project.wsgi:application"]
    return Process("The site", command, folder / f"site-{port}.log", dict(os.environ))


def _wait(tour: Tour, sites: list[Process]) -> None:
    deadline = time.monotonic() + PATIENCE
    for worker, site in zip(tour.workers, sites, strict=True):
        while True:
            try:
                worker.get("/en/none/")
                break
            except (OSError, http.client.HTTPException):
                worker.close()
                if site.ended or time.monotonic() > deadline:
                    raise site.failure("does not answer") from None
                time.sleep(0.05)


def _follow_parent() -> None:
    """End with the process outside, which holds the other end of our standard input."""

    def watch() -> None:
        os.read(0, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


if __name__ == "__main__":
    sys.exit(main())
