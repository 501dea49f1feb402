"""Leads through the steps: asks pages of both workers, counts what they render, and states what holds.

A claim rests on bodies, on Cache-Status and on the render counters of the workers, which have to agree.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from html import unescape
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from examples.newsroom.tour.visitor import OK, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from examples.newsroom.editor import Editor, Saved
    from examples.newsroom.tour.catalogue import Catalogue
    from examples.newsroom.tour.screen import Screen
    from examples.newsroom.tour.stage import Stage
    from examples.newsroom.tour.visitor import Answer, Source, Worker


class Asked(NamedTuple):
    """An answer with who gave it and for what."""

    worker: Worker
    path: str
    answer: Answer


class Count:
    """How many pages were rendered."""

    renders = 0


class Guide:
    """One tour in progress. `a` and `b` are the two workers."""

    def __init__(
        self, stage: Stage, workers: tuple[Worker, Worker], editor: Editor, catalogue: Catalogue, screen: Screen
    ) -> None:
        self.stage, self.editor, self.catalogue, self.screen = stage, editor, catalogue, screen
        self.workers = workers
        self.a, self.b = workers
        self.paths: list[str] = []
        self.bodies: dict[tuple[str, str], bytes] = {}
        """What each worker last answered for each path."""
        self.seconds: dict[Source, list[float]] = {"render": [], "Redis": [], "memory": []}
        """The times of all answers, by where they came from."""
        self.claims = 0
        self.broken = 0

    def claim(self, holds: bool, who: str, text: str, seconds: float | None = None, *, seen: str = "") -> None:  # noqa: FBT001 - the claim itself
        """State what was found to hold, or, with `seen`, what was found instead."""
        self.claims += 1
        self.broken += not holds
        self.screen.claim(who, text, seconds, None if holds else seen or "it does not hold")

    def ask(self, worker: Worker, path: str) -> Answer:
        """One worker's answer for a page."""
        answer = worker.get(path)
        self.seconds[answer.source].append(answer.seconds)
        return answer

    def one_by_one(self, paths: Sequence[str]) -> list[Asked]:
        """The answers of one worker for each path, then those of the other."""
        return [Asked(worker, path, self.ask(worker, path)) for worker in self.workers for path in paths]

    def by_halves(self, paths: Sequence[str], doing: str) -> list[Asked]:
        """The answers of both workers at the same time: each goes through one half first, and then through the other's.

        So each page is rendered by one worker and found in Redis by the other.
        """
        halves = paths[: len(paths) // 2], paths[len(paths) // 2 :]
        asked: list[Asked] = []
        for parts in (halves, halves[::-1]):
            readers = [_Reader(self, worker, part) for worker, part in zip(self.workers, parts, strict=True)]
            for reader in readers:
                reader.start()
            while any(reader.is_alive() for reader in readers):
                done = len(asked) + sum(len(reader.answers) for reader in readers)
                self.screen.passing(f"{doing}: {done:,} of {2 * len(paths):,} answers")
                readers[0].join(0.1)
                readers[1].join(0.1)
            for reader in readers:
                if reader.trouble:
                    raise reader.trouble
                asked += reader.answers
        return asked

    @contextmanager
    def counting(self) -> Iterator[Count]:
        """Count what both workers render in the `with`, by the counters in their footers."""
        count = Count()
        before = sum(worker.renders() for worker in self.workers)
        yield count
        # The pages that told the counters were rendered too, the later ones after the end.
        count.renders = sum(worker.renders() for worker in self.workers) - before - len(self.workers)

    def remember(self, asked: Sequence[Asked]) -> None:
        """Keep bodies to compare later ones with."""
        self.bodies.update({(one.worker.letter, one.path): one.answer.body for one in asked})

    def held(self, one: Asked) -> bool:
        """Whether an answer came from memory, byte for byte as it was."""
        return one.answer.source == "memory" and one.answer.body == self.bodies.get((one.worker.letter, one.path))

    def showing(self, text: bytes) -> list[str]:
        """The paths whose pages contain `text`."""
        return [path for path in self.paths if text in self.bodies["A", path]]

    def spread(
        self, save: Callable[[], Saved], changed: Sequence[str], which: str, *, new: bytes, old: bytes = b""
    ) -> None:
        """Save an edit. At once the `changed` pages show `new` and not `old` on both workers, and no other was touched."""
        saved = save()
        self.claim(saved.done, "", f"saved; purge {saved.seq} is done on both workers", saved.waited_ms / 1000,
                   seen=saved.status)  # fmt: skip
        with self.counting() as count:
            asked = self.by_halves(changed, "asking for the new text")
        fresh = [
            one for one in asked
            if one.answer.status == OK and new in one.answer.body and not (old and old in one.answer.body)
        ]  # fmt: skip
        self.claim(
            bool(changed) and len(fresh) == len(asked) and count.renders <= at_most(changed), "",
            f"{len(changed)} pages {which}: {len(fresh):,} of {len(asked):,} answers new · {renders(count)}",
            typical(asked), seen=self._first(asked, fresh, count),
        )  # fmt: skip
        self.untouched(changed)
        self.remember(asked)

    def untouched(self, changed: Sequence[str], which: str = "others") -> None:
        """State that every page but the `changed` is a hit, on both workers."""
        others = [path for path in self.paths if path not in set(changed)]
        with self.counting() as count:
            asked = self.one_by_one(others)
        hits = [one for one in asked if self.held(one)]
        self.claim(
            len(hits) == len(asked) and not count.renders, "",
            f"{len(others)} {which}: {len(hits):,} of {len(asked):,} hits, same bytes · {renders(count)}",
            typical(asked), seen=self._first(asked, hits, count),
        )  # fmt: skip

    def _first(self, asked: Sequence[Asked], good: Sequence[Asked], count: Count) -> str:
        """The first of the answers that are not good, in words."""
        fine = set(map(id, good))
        bad = next((one for one in asked if id(one) not in fine), None)
        return (
            f"{bad.worker.letter} {bad.path}: {told(bad.answer)}" if bad else f"{len(asked)} answers, {renders(count)}"
        )


class _Reader(threading.Thread):
    """Asks one worker for one page after another."""

    def __init__(self, guide: Guide, worker: Worker, paths: Sequence[str]) -> None:
        # A daemon: who interrupts the tour does not wait for it.
        super().__init__(daemon=True)
        self._guide, self._worker, self._paths = guide, worker, paths
        self.answers: list[Asked] = []
        self.trouble: OSError | None = None

    def run(self) -> None:
        """Ask for all of them."""
        try:
            for path in self._paths:
                self.answers.append(Asked(self._worker, path, self._guide.ask(self._worker, path)))
        except OSError as trouble:
            self.trouble = trouble


def told(answer: Answer) -> str:
    """An answer in a few words."""
    return f"{answer.status}, {answer.cache_status or 'no Cache-Status'}, {len(answer.body):,} bytes"


def renders(count: Count) -> str:
    """A number of renders in words."""
    return f"{count.renders} render" + ("" if count.renders == 1 else "s")


def at_most(paths: Sequence[str]) -> int:
    """How often pages may be rendered: a worker may ask Redis for a few before the other one has written them there."""
    return len(paths) + 4 + len(paths) // 20


def typical(asked: Iterable[Asked]) -> float | None:
    """The median of the answers' times in seconds, or nothing where there are none."""
    times = [one.answer.seconds for one in asked]
    return median(times) if times else None


def addresses(worker: Worker) -> list[str]:
    """The path of every page of the site, as its sitemap tells."""
    answer = worker.get("/sitemap.xml")
    found = re.findall(r"<loc>https?://[^/<]+([^<]*)</loc>", answer.body.decode())
    if answer.status != OK or not found:
        raise NoAnswerError(f"/sitemap.xml names no page: {told(answer)}")
    return [unescape(path) for path in dict.fromkeys(found)]
