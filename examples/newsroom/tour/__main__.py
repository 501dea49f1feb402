"""The process that leads the demonstration: `python -m examples.newsroom.tour PORT FOLDER check|serve`, for demo.py to run."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import NoReturn

from examples.newsroom.editor import Editor, EditorError
from examples.newsroom.tour.catalogue import Catalogue
from examples.newsroom.tour.guide import Guide
from examples.newsroom.tour.screen import Screen, duration
from examples.newsroom.tour.stage import PASSWORD, WORKERS, Process, Stage, StageError
from examples.newsroom.tour.steps import PAGE, STEPS
from examples.newsroom.tour.visitor import Worker, workers

STARTING = 60.0
"""Seconds after which workers that do not answer are given up."""


class Interruption:
    """What a signal does: it ends the tour as failed, and afterwards the serving as done."""

    def __init__(self) -> None:
        self.serving = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._end)

    def _end(self, number: int, _: object) -> NoReturn:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(0 if self.serving else 128 + number)


def end_with_parent(folder: Path) -> None:
    """Wait until the process that started us is gone without a word, then end our whole group."""
    os.read(0, 1)
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def furnished(stage: Stage, screen: Screen) -> Catalogue:
    """Start Valkey and write the newsroom's pages, saying so."""
    screen.title("The newsroom, behind its cache", "cms_cache_mw")
    began = time.monotonic()
    stage.start_valkey()
    screen.started(f"Valkey {stage.valkey.version}, on port {stage.valkey.port}", time.monotonic() - began)
    screen.passing("writing the newsroom's pages")
    began = time.monotonic()
    stage.seed()
    catalogue = Catalogue.of(stage.database)
    screen.started(
        f"{catalogue.pages} pages in two languages, {catalogue.blocks} blocks, {catalogue.templates} templates",
        time.monotonic() - began,
    )
    return catalogue


def opened(stage: Stage, screen: Screen) -> tuple[Process, tuple[Worker, Worker]]:
    """Start the site, wait until both workers answer and say where it is to be found."""
    screen.passing("starting the site")
    began = time.monotonic()
    site = stage.start_site()
    found: list[Worker] = []
    for worker in workers(stage.port, WORKERS):
        if worker:
            found.append(worker)
        elif site.ended or time.monotonic() > began + STARTING:
            raise site.failure(f"has {len(found)} of {WORKERS} workers that answer on port {stage.port}")
        else:
            time.sleep(0.02)
    first, second = found
    screen.started(f"Two workers: A is process {first.pid}, B is process {second.pid}", time.monotonic() - began)
    screen.facts([
        ("English", f"{stage.address}/en/"),
        ("German", f"{stage.address}/de/"),
        ("Second host", f"http://docs.localhost:{stage.port}/en/"),
        ("Editor", f"{stage.address}/edit  (editor, {PASSWORD})"),
        ("Admin token", stage.token),
    ])  # fmt: skip
    return site, (first, second)


def tour(guide: Guide) -> None:
    """Take every step, whatever became of those before."""
    guide.editor.sign_in("editor", PASSWORD)
    for number, (title, subject, step) in enumerate(STEPS, 1):
        guide.screen.step(number, title, subject)
        try:
            step(guide)
        except (OSError, EditorError, http.client.HTTPException, LookupError) as trouble:
            guide.claim(False, "", "the step went to its end", seen=f"{type(trouble).__name__}: {trouble}")


def closing(guide: Guide, seconds: float) -> None:
    """Sum up."""
    names = {"render": "rendered", "Redis": "from Redis (L2)", "memory": "from memory (L1)"}
    typical = {source: median(times) for source, times in guide.seconds.items() if times}
    rows = []
    for source, time_taken in typical.items():
        faster = f"{typical['render'] / time_taken:.0f} times" if source != "render" and "render" in typical else ""
        rows.append((names[source], f"{len(guide.seconds[source]):,}", duration(time_taken), faster))
    guide.screen.table(("what a visitor waits, first byte to last", "answers", "median", "as fast"), rows)
    if guide.broken:
        guide.screen.verdict(f"{guide.broken} of {guide.claims} claims did not hold.", good=False)
    else:
        guide.screen.verdict(f"All {guide.claims} claims held, in {duration(seconds)}.", good=True)


def serve(stage: Stage, site: Process, screen: Screen) -> NoReturn:
    """Let the site run until a signal; where it ends by itself, StageError."""
    screen.note(
        "The site is yours. Look, edit, purge:",
        "",
        f"curl -sI {stage.address}{PAGE} | grep -i cache-status",
        f"curl -X POST {stage.address}/_cache/purge -H 'Authorization: Bearer {stage.token}' \\",
        '     -d \'{"tags": ["block:menu"]}\'',
        "",
        "Ctrl-C ends everything.",
    )
    while not site.ended:
        time.sleep(0.2)
    raise site.failure("ended by itself")


def main(port: int, folder: Path, mode: str) -> int:
    """Start, take the tour unless `mode` is serve, and serve until a signal unless it is check; the exit code."""
    interruption = Interruption()
    screen = Screen(sys.stdout)
    with Stage(port, folder) as stage:
        try:
            catalogue = furnished(stage, screen)
            site, found = opened(stage, screen)
            if mode != "serve":
                began = time.monotonic()
                with Editor(stage.address) as editor:
                    guide = Guide(stage, found, editor, catalogue, screen)
                    tour(guide)
                closing(guide, time.monotonic() - began)
                if mode == "check":
                    return 1 if guide.broken else 0
            for worker in found:
                worker.visitor.close()
            interruption.serving = True
            serve(stage, site, screen)
        except (StageError, EditorError, OSError, http.client.HTTPException) as trouble:
            screen.verdict(str(trouble), good=False)
    return 1


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    PORT, FOLDER, MODE = sys.argv[1:]
    threading.Thread(target=end_with_parent, args=[Path(FOLDER)], daemon=True).start()
    sys.exit(main(int(PORT), Path(FOLDER), MODE))
