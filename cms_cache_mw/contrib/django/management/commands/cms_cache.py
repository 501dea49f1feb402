"""`manage.py cms_cache`: purges, warms and shows the cache from a process of its own, through Redis."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cms_cache_mw.contrib.django.purging import split
from cms_cache_mw.contrib.django.site import cache
from cms_cache_mw.contrib.django.templates import hashes
from cms_cache_mw.contrib.django.visits import made, visits
from cms_cache_mw.core.tags import spelled
from cms_cache_mw.core.target import Target, TargetError

if TYPE_CHECKING:
    from argparse import ArgumentParser

PATIENCE = 10.0
"""Seconds that a purge is waited for."""
KNOWN = "template:-hashes"
"""The fragment that holds the hashes of the templates at the last deployment."""
YEAR = 31_536_000.0


class Command(BaseCommand):
    """The command and its verbs."""

    help = "Purge, warm and show the page cache."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare verbs and options."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        purge = verbs.add_parser("purge", help="make what depends on these unusable, everywhere")
        purge.add_argument("tags", nargs="*", help="tags such as page:12 or template:blog/entry.html")
        purge.add_argument("--url", action="append", default=[], dest="urls", help="a URL, or a path on any site")
        purge.add_argument("--prefix", action="append", default=[], dest="prefixes", help="a path that ends in /")
        purge.add_argument("--all", action="store_true", help="everything")
        purge.add_argument("--changed-templates", action="store_true", help="templates that differ from the last time")
        warm = verbs.add_parser("warm", help="render these URLs into Redis")
        warm.add_argument("urls", nargs="+", help="whole URLs, as visitors ask for them")
        verbs.add_parser("stats", help="this process's view of the cache, as JSON")
        audit = verbs.add_parser("audit", help="render URLs and say what they show without depending on it")
        audit.add_argument("urls", nargs="*", help="whole URLs; with Wagtail all live pages where none is given")

    def handle(self, *_: object, **options: Any) -> None:  # noqa: ANN401 - Django's own
        """Do what the verb says."""
        getattr(self, f"_{options['verb']}")(options)

    def _purge(self, options: dict[str, Any]) -> None:
        _shared("a purge")
        tags = list(options["tags"])
        if options["changed_templates"]:
            tags += self._changed()
            if not (tags or options["urls"] or options["prefixes"] or options["all"]):
                self.stdout.write("no template has changed")
                return
        everything = options["all"]
        named = Target(tuple(tags), tuple(options["urls"]), tuple(options["prefixes"]), "", everything)
        try:
            done = cache().carry_out_sync(*split(named), wait=PATIENCE)
        except TargetError as error:
            raise CommandError(str(error)) from None
        if not done.done:
            raise CommandError(f"{done.state}: {done.detail}")
        self.stdout.write(f"purge {done.seq} is done everywhere, after {done.waited_ms:.0f} ms")

    def _changed(self) -> list[str]:
        """The tags of the templates that differ from those at the last call; all there are where nothing is known of it."""
        templates = cache().templates
        self._settled()
        known: dict[str, str] | None = templates.get_sync(KNOWN)
        now = hashes()
        templates.put_sync(KNOWN, now, ttl=YEAR)
        before = known or {}
        return sorted(
            spelled(f"template:{name}") for name in now.keys() | before.keys() if now.get(name) != before.get(name)
        )

    def _warm(self, options: dict[str, Any]) -> None:
        _shared("a page rendered")
        self._settled()
        planned = []
        for url in options["urls"]:
            try:
                planned += visits(cache(), url)
            except ValueError as error:
                raise CommandError(f"{url!r}: {error}") from None
        cold = []
        for visit, answered, there in made(planned, self._settled):
            missing = " (not in Redis)" if answered.kept and not there else ""
            self.stdout.write(f"{answered.status} {answered.cache_status}{missing} {visit.url} by {visit.interface}")
            if not there:
                cold.append(visit.url)
        if cold:
            raise CommandError(f"not in the cache, for the reasons above: {' '.join(dict.fromkeys(cold))}")

    def _stats(self, _: dict[str, Any]) -> None:
        self._settled()
        self.stdout.write(json.dumps(cache().stats(), indent=2))

    def _audit(self, options: dict[str, Any]) -> None:
        from django.apps import apps  # noqa: PLC0415 - only where Wagtail is there

        if not apps.is_installed("cms_cache_mw.contrib.wagtail"):
            raise CommandError("audit needs cms_cache_mw.contrib.wagtail, whose reference index is the second opinion")
        from cms_cache_mw.contrib.wagtail.audit import untagged  # noqa: PLC0415 - only where Wagtail is there

        missing = 0
        for url, tags in untagged(cache(), _answers(), options["urls"]):
            missing += 1
            self.stdout.write(f"{url} shows {', '.join(sorted(tags))} and does not depend on it")
        if missing:
            sys.exit(1)
        self.stdout.write("every page depends on what it shows")

    def _settled(self) -> None:
        """Return when this process may use the cache, or say why it may not."""
        cache().start()
        deadline = time.monotonic() + PATIENCE
        while not cache().sure:
            if time.monotonic() > deadline:
                raise CommandError("Redis gives this process no lease; see CMS_CACHE['redis_url']")
            time.sleep(0.01)


def _shared(what: str) -> None:
    """Raise `CommandError` where workers have no Redis in common with this process."""
    if cache().config.redis_url is None:
        raise CommandError(f"CMS_CACHE has no redis_url: {what} from here would reach no worker")


def _answers() -> Any:  # noqa: ANN401 - Django's own
    """What answers a request, with all middleware."""
    from django.core.handlers.base import BaseHandler  # noqa: PLC0415 - loads the middleware

    answers: Any = BaseHandler()
    answers.load_middleware()
    return answers.get_response
