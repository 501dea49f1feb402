"""The steps of the tour, in order: a page, both levels, three edits, a crash and a recovery."""

from __future__ import annotations

import re
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from examples.newsroom.tour.guide import Asked, addresses, at_most, renders, told, typical
from examples.newsroom.tour.screen import duration
from examples.newsroom.tour.stage import LEASE
from examples.newsroom.tour.visitor import OK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from examples.newsroom.tour.guide import Guide
    from examples.newsroom.tour.visitor import Answer, Worker

PAGE, GERMAN, NAME = "/en/data/decimal", "/de/data/decimal", "data/decimal"
TIMES = 50

NOTICE = (
    "<p><strong>The survey is closed.</strong> 4,096 readers took part, and most of them import json before "
    "anything else. Thank you!</p>"
)
COUNT = '<p class="byline article-count">{{ view.count(page) }} {{ t("articles") }}</p>'
HEADLINE = "Rechnen wie auf dem Papier: decimal"

OUTAGE, RECOVERY = 12.0, 20.0
"""Seconds that the two last steps take at most."""
RENDERS_WITHOUT = 12
"""How often each worker has to render without Redis."""
PACE = 0.02
UNAVAILABLE = 503


def first_visit(guide: Guide) -> None:
    """A page is rendered and kept."""
    guide.paths = addresses(guide.a)
    with guide.counting() as count:
        answer = guide.ask(guide.a, PAGE)
    rendered = answer.status == OK and answer.source == "render" and "stored" in answer.cache_status
    guide.claim(
        rendered and count.renders == 1 and answer.rendered_by == guide.a.pid,
        "A", f"rendered and stored · {renders(count)}", answer.seconds, seen=told(answer),
    )  # fmt: skip
    guide.bodies["A", PAGE] = answer.body


def second_visit(guide: Guide) -> None:
    """The same page comes from the worker's memory."""
    repeat(guide, guide.a)


def other_worker(guide: Guide) -> None:
    """The other worker finds it in Redis, and then in its own memory."""
    with guide.counting() as count:
        answer = guide.ask(guide.b, PAGE)
    guide.claim(
        answer.source == "Redis" and answer.body == guide.bodies["A", PAGE] and not count.renders,
        "B", f"from Redis, as A rendered it · {renders(count)}", answer.seconds, seen=told(answer),
    )  # fmt: skip
    guide.bodies["B", PAGE] = answer.body
    repeat(guide, guide.b)


def repeat(guide: Guide, worker: Worker) -> None:
    """State that one worker answers for the page from memory."""
    with guide.counting() as count:
        answers = [guide.ask(worker, PAGE) for _ in range(TIMES)]
    body = guide.bodies[worker.letter, PAGE]
    bad = [answer for answer in answers if answer.source != "memory" or answer.body != body]
    guide.claim(
        not bad and not count.renders,
        worker.letter, f"{TIMES} times from memory, the same bytes · {renders(count)}",
        median(answer.seconds for answer in answers), seen=told(bad[0]) if bad else renders(count),
    )  # fmt: skip


def every_page(guide: Guide) -> None:
    """Both workers are asked for the whole site; each page is rendered by one of them."""
    began = time.perf_counter()
    with guide.counting() as count:
        asked = guide.by_halves(guide.paths, "filling the cache")
    guide.remember(asked)
    served = [one for one in asked if one.answer.status == OK]
    guide.claim(
        len(served) == len(asked) and count.renders <= at_most(guide.paths),
        "", f"{len(guide.paths)} pages asked of both: {len(served):,} answers · {renders(count)}",
        time.perf_counter() - began, seen=f"{len(served)} of {len(asked)} answers with 200, {renders(count)}",
    )  # fmt: skip
    guide.untouched([], "again")


def block(guide: Guide) -> None:
    """An editor changes a block: the pages with it change, all others stay."""
    before = guide.editor.fields("/edit/block/notice")["body_en"][0]
    old, new = longest_text(before), longest_text(NOTICE)
    guide.spread(
        lambda: guide.editor.edit_block("notice", body=NOTICE), guide.showing(old), "with it", new=new, old=old
    )


def everywhere(guide: Guide) -> None:
    """An editor changes the menu, which is on every page: it is rendered, and no page is."""
    lines = guide.editor.fields("/edit/block/menu")["body_en"][0].splitlines()
    old, new = lines[0].partition("=")[0].strip(), "Words"
    english = [path for path in guide.paths if path.startswith("/en/")]
    saved = guide.editor.edit_block("menu", body="\n".join([lines[0].replace(old, new, 1), *lines[1:]]))
    guide.claim(saved.done, "", f"saved; purge {saved.seq} is done on both workers", saved.waited_ms / 1000,
                seen=saved.status)  # fmt: skip
    label = f">{new}</a>".encode()
    with guide.counting() as count:
        asked = guide.one_by_one(english)
    fresh = [one for one in asked if label in one.answer.body and one.answer.source == "memory"]
    bad = [one for one in asked if one not in fresh]
    guide.claim(
        bool(english) and not bad and not count.renders, "",
        f"{len(english)} pages: {len(fresh):,} of {len(asked):,} new, from memory · {renders(count)}",
        typical(asked), seen=f"{bad[0].worker.letter} {bad[0].path}: {told(bad[0].answer)}" if bad else renders(count),
    )  # fmt: skip
    guide.remember(asked)
    guide.remember(guide.one_by_one([path for path in guide.paths if path not in set(english)]))


def template(guide: Guide) -> None:
    """A designer changes a template: what is made with it changes."""
    source = guide.editor.fields("/edit/template/section")["source"][0]
    edited = source.replace("</header>", f"{COUNT}\n</header>", 1)
    guide.spread(
        lambda: guide.editor.edit_template("section", edited),
        guide.catalogue.templated["section"], "made with it", new=b"article-count",
    )  # fmt: skip


def translation(guide: Guide) -> None:
    """A translator changes a German headline: German pages that show it change, the English page does not."""
    form = f"/edit/page/{guide.catalogue.numbers[NAME]}/de"
    old = guide.editor.fields(form)["title"][0].encode()
    changed = guide.showing(old)
    guide.spread(
        lambda: guide.editor.edit_translation(guide.catalogue.numbers[NAME], title=HEADLINE),
        changed, "that show it", new=HEADLINE.encode(), old=old,
    )  # fmt: skip
    for worker in guide.workers:
        german, english = guide.ask(worker, GERMAN), guide.ask(worker, PAGE)
        guide.claim(
            HEADLINE.encode() in german.body
            and english.source == "memory" and english.body == guide.bodies[worker.letter, PAGE],
            worker.letter, "the German page is new, the English page is a hit", english.seconds,
            seen=f"German {told(german)}; English {told(english)}",
        )  # fmt: skip


def outage(guide: Guide) -> None:
    """Redis crashes: memory serves until the leases end, then pages are rendered, and nobody gets an error."""
    expected = {worker: guide.ask(worker, PAGE).content for worker in guide.workers}
    guide.stage.valkey.kill()
    began = time.monotonic()
    hits: list[tuple[float, Asked]] = []
    rendered: dict[Worker, list[Asked]] = {worker: [] for worker in guide.workers}
    while min(map(len, rendered.values())) < RENDERS_WITHOUT and time.monotonic() < began + OUTAGE:
        for worker in guide.workers:
            sent = time.monotonic() - began
            one = Asked(worker, PAGE, guide.ask(worker, PAGE))
            if one.answer.source == "render":
                rendered[worker].append(one)
            else:
                hits.append((sent, one))
        guide.screen.passing(f"{time.monotonic() - began:.1f} s without Redis")
        time.sleep(PACE)
    last = max((sent for sent, _ in hits), default=0.0)
    guide.claim(
        bool(hits) and last <= LEASE, "", f"{duration(last)} from memory, until the leases end: {len(hits)} answers",
        typical(one for _, one in hits), seen=f"{len(hits)} hits, the last one after {last:.2f} s",
    )  # fmt: skip
    without = [one for part in rendered.values() for one in part]
    guide.claim(
        min(map(len, rendered.values())) >= RENDERS_WITHOUT, "", f"from then on rendered: {len(without)} answers",
        typical(without), seen=f"{len(without)} renders in {OUTAGE:.0f} s",
    )  # fmt: skip
    unharmed(guide, [*(one for _, one in hits), *without], expected)
    refusal = guide.a.visitor.purge('{"tags": ["block:notice"], "wait_ms": 100}', guide.stage.token)
    guide.claim(refusal.status == UNAVAILABLE, "A", "a purge now: 503, never a false “done”", refusal.seconds,
                seen=f"{refusal.status} {refusal.body.decode(errors='replace')[:200]}")  # fmt: skip


def unharmed(guide: Guide, asked: Sequence[Asked], expected: Mapping[Worker, bytes]) -> None:
    """State that every answer was the page as it should be."""
    bad = [one for one in asked if one.answer.status != OK or one.answer.content != expected[one.worker]]
    guide.claim(
        not bad, "", "no error, no wrong page; slowest answer", max(one.answer.seconds for one in asked),
        seen=f"{bad[0].worker.letter}: {told(bad[0].answer)}" if bad else "",
    )  # fmt: skip


def recovery(guide: Guide) -> None:
    """Redis comes back empty: both workers keep pages again, and share them."""
    guide.stage.valkey.start()
    began = time.monotonic()
    for worker in guide.workers:
        answer = eventually(began, partial(guide.ask, worker, PAGE), lambda answer: answer.source != "render")
        guide.claim(
            answer.source != "render" and answer.body != guide.bodies[worker.letter, PAGE], worker.letter,
            "keeps pages again, and has none from before", time.monotonic() - began, seen=told(answer),
        )  # fmt: skip
    fresh = iter(guide.paths)

    def rendered_by_a() -> Answer:
        path = next(fresh)
        guide.ask(guide.a, path)
        return guide.ask(guide.b, path)

    answer = eventually(began, rendered_by_a, lambda answer: answer.source == "Redis")
    guide.claim(answer.source == "Redis", "B", "finds in Redis what A has rendered since", answer.seconds,
                seen=told(answer))  # fmt: skip


def eventually(began: float, attempt: Callable[[], Answer], enough: Callable[[Answer], bool]) -> Answer:
    """The first answer that is enough, or the last one before patience ends."""
    while True:
        answer = attempt()
        if enough(answer) or time.monotonic() > began + RECOVERY:
            return answer
        time.sleep(PACE)


def longest_text(html: str) -> bytes:
    """The longest stretch of HTML without a tag: what to recognise it by."""
    return max(re.split(r"<[^>]*>|\n", html), key=len).strip().encode()


STEPS: tuple[tuple[str, str, Callable[[Guide], None]], ...] = (
    ("A page, for the first time", PAGE, first_visit),
    ("The same page again", "L1, the worker's memory", second_visit),
    ("The same page from the other worker", "L2, Redis", other_worker),
    ("The whole site, on both workers", "each page is rendered once", every_page),
    ("An editor changes a block", "block:notice", block),
    ("An editor changes the menu on every page", "block:menu, a hole in each page", everywhere),
    ("A designer changes a template", "template:section", template),
    ("A translator changes a headline", "page@de", translation),
    ("Redis crashes", "kill -9", outage),
    ("Redis is back, empty", "a new epoch", recovery),
)
"""The steps: a title, what it is about, and what is done."""
