"""What visitors, crawlers and warmers ask of a CMS, made up from a seed: `python -m tests.policies.traffic NAME > trace.csv`.

A site has sections, languages, pages of them, listings and searches. A few pages are asked for most of the time (Zipf), new ones
more than old ones. Crawlers and warmers walk through all of it in order, scanners ask for what nobody asks for again. Editors
change pages, blocks and, seldom, the menu; each change purges a tag, and with it every page that has it. `docs/memory.md` says
what each setting means.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from bisect import bisect
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Request(NamedTuple):
    """One request of a trace."""

    at: float
    """Seconds since the trace began."""
    key: int
    size: int
    """Bytes of the entry that answers it."""
    version: int
    """How often its tags were purged: what is held of an older version cannot be used."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is asked of a site, and how it changes. Shares are of all requests, rates are per hour of the whole site."""

    pages: int = 6_000
    sections: int = 12
    languages: int = 3
    """Each next one has half as many visitors."""
    zipf: float = 0.9
    """The exponent of popularity: the page of rank r is asked for in proportion to 1 / r ** zipf."""
    per_second: float = 10.0
    listings: float = 0.15
    """Share of requests for home pages and sections, in some pages each."""
    searches: float = 0.04
    """Share of requests that differ from all others: searches, filters, mistyped and attacked URLs."""
    crawlers: float = 0.15
    """Share of requests by those who walk through everything in order."""
    warm_every: float = 4.0
    """Hours between walks of a warmer through the whole sitemap; 0 is never."""
    fresh: float = 0.2
    """Share of page requests that are for what was published lately."""
    published: float = 10.0
    edits: float = 30.0
    blocks: float = 4.0
    """Changes of a block of a section: they purge all pages of that section in one language."""
    menus: float = 0.1
    """Changes that purge everything in one language."""
    median_bytes: int = 12_000
    spread: float = 0.8
    """Sizes are log-normal; this is the deviation of their logarithm."""


SITES: Final = {
    "magazine": Site(),
    "newsroom": Site(pages=10_000, fresh=0.6, published=60.0, edits=120.0, blocks=12.0, menus=0.5, per_second=20.0),
    "catalogue": Site(pages=30_000, languages=1, zipf=0.7, listings=0.25, searches=0.1, published=2.0, fresh=0.05),
    "multilingual": Site(pages=4_000, languages=12, zipf=1.0, menus=0.3),
    "crawled": Site(crawlers=0.45, searches=0.08),
    "brochure": Site(pages=600, zipf=1.1, published=0.2, edits=2.0, blocks=0.5, warm_every=1.0, per_second=2.0),
    "attacked": Site(searches=0.4, crawlers=0.1, warm_every=0.0),
}
"""Sites to measure on."""

LISTED: Final = 10
"""Pages of a listing."""
WALKERS: Final = 4
"""Crawlers at a time."""
LATELY: Final = 200
"""Pages that count as published lately."""


class _Traffic:
    """One run: keys are given out in order, versions are counted per tag."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.chance = site, random.Random(seed)
        self.known: dict[tuple[object, ...], int] = {}
        self.sizes: list[int] = []
        self.order = list(range(site.pages))
        self.chance.shuffle(self.order)
        self.pages = site.pages
        self.ranks = _cumulative(1 / rank**site.zipf for rank in range(1, site.pages + 1))
        self.lately = _cumulative(1 / rank for rank in range(1, LATELY + 1))
        self.spoken = _cumulative(0.5**number for number in range(site.languages))
        self.purged: dict[tuple[object, ...], int] = {}
        self.walks = [self.chance.randrange(site.pages) for _ in range(WALKERS)]

    def section(self, page: int) -> int:
        """The section of a page: the first ones are the largest."""
        return int((page * 2_654_435_761 % 2**32 / 2**32) ** 2 * self.site.sections)

    def asked(self, at: float, name: tuple[object, ...], *tags: tuple[object, ...]) -> Request:
        """A request for what has this name and these tags."""
        key = self.known.setdefault(name, len(self.known))
        if key == len(self.sizes):
            drawn = self.chance.lognormvariate(0.0, self.site.spread) * self.site.median_bytes
            self.sizes.append(int(min(max(drawn, 700), 250_000)))
        return Request(at, key, self.sizes[key], sum(self.purged.get(tag, 0) for tag in tags))

    def page(self, at: float, page: int, language: int) -> Request:
        """A request for a page."""
        section = self.section(page)
        return self.asked(
            at, ("page", page, language), ("page", page), ("section", section, language), ("all", language)
        )

    def listing(self, at: float, section: int, number: int, language: int) -> Request:
        """A request for one page of a section's listing; the one before the first section is the home page."""
        tags = (("listing", section), ("section", section, language), ("all", language))
        return self.asked(at, ("listing", section, number, language), *tags)

    def request(self, at: float) -> Request:
        """The next request of somebody who is no warmer."""
        site, chance = self.site, self.chance
        kind = chance.random()
        language = _drawn(self.spoken, chance)
        if kind < site.crawlers:
            walker = chance.randrange(WALKERS)
            self.walks[walker] = (self.walks[walker] + 1) % (self.pages * site.languages)
            return self.page(at, self.walks[walker] // site.languages, self.walks[walker] % site.languages)
        if kind < site.crawlers + site.searches:
            return self.asked(at, ("search", chance.random()))
        if kind < site.crawlers + site.searches + site.listings:
            section = chance.randrange(-1, site.sections)
            return self.listing(at, section, int(chance.expovariate(1.0)) if section >= 0 else 0, language)
        if chance.random() < site.fresh:
            return self.page(at, max(0, self.pages - 1 - _drawn(self.lately, chance)), language)
        return self.page(at, self.order[_drawn(self.ranks, chance)], language)

    def change(self, page: int) -> None:
        """An editor's change of a page: purges it, its section's listing and the home page."""
        for tag in (("page", page), ("listing", self.section(page)), ("listing", -1)):
            self.purge(tag)

    def purge(self, tag: tuple[object, ...]) -> None:
        """Purge a tag."""
        self.purged[tag] = self.purged.get(tag, 0) + 1

    def edit(self, seconds: float) -> None:
        """What editors do in some seconds."""
        site, chance = self.site, self.chance
        for rate, kind in ((site.published, 0), (site.edits, 1), (site.blocks, 2), (site.menus, 3)):
            if chance.random() >= rate * seconds / 3600:
                continue
            language = _drawn(self.spoken, chance)
            if kind == 0:
                self.pages += 1
                self.change(self.pages - 1)
            elif kind == 1:
                # Half of what is edited is new.
                lately = chance.random() < 0.5
                self.change(self.pages - 1 - _drawn(self.lately, chance) if lately else chance.randrange(self.pages))
            else:
                self.purge(("section", chance.randrange(site.sections), language) if kind == 2 else ("all", language))

    def warm(self, at: float) -> Iterator[Request]:
        """A warmer's walk, in the order of the sitemap."""
        for language in range(self.site.languages):
            for page in range(self.pages):
                yield self.page(at, page, language)


def _cumulative(weights: Iterable[float]) -> list[float]:
    """Weights added up, from 0 to 1."""
    sums = list(accumulate(weights))
    return [part / sums[-1] for part in sums]


def _drawn(sums: list[float], chance: random.Random) -> int:
    return bisect(sums, chance.random())


def trace(site: Site, requests: int, seed: int = 1) -> Iterator[Request]:
    """That many requests, the same for the same seed. The walks of warmers come in between and count."""
    traffic, at, given = _Traffic(site, seed), 0.0, 0
    warmed, wait = 0.0, 1 / site.per_second
    while given < requests:
        at += wait
        traffic.edit(wait)
        yield traffic.request(at)
        given += 1
        if site.warm_every and at - warmed >= site.warm_every * 3600:
            warmed = at
            for one in traffic.warm(at):
                yield one
                given += 1


def main() -> None:
    """Write a trace as lines of seconds, key, bytes and version."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("site", choices=SITES, help="whose traffic")
    options.add_argument("--requests", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    for name, default in Site.__dataclass_fields__.items():
        options.add_argument(f"--{name.replace('_', '-')}", type=type(default.default))
    chosen = vars(options.parse_args())
    changed = {name: value for name in Site.__dataclass_fields__ if (value := chosen[name]) is not None}
    lines = csv.writer(sys.stdout)
    lines.writerow(Request._fields)
    for one in trace(replace(SITES[chosen["site"]], **changed), chosen["requests"], chosen["seed"]):
        lines.writerow((f"{one.at:.2f}", one.key, one.size, one.version))


if __name__ == "__main__":
    main()
