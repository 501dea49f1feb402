"""Makes the pictures of the dashboard in `docs/images`: the newsroom with two workers, some visitors and an edit.

python -m tests.admin.screenshots
"""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.support.browser import Browser
from tests.support.client import Client
from tests.support.process import Port, Process
from tests.support.server import Server
from tests.support.wait import until

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
TOKEN = "token-for-pictures"
WATCHED = 40.0
"""Seconds of traffic that the charts show."""


def main() -> None:
    """Make all of them."""
    port = Port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Server("valkey") as redis:
        env = os.environ | {
            "NEWSROOM_DATABASE": f"{folder}/newsroom.sqlite3",
            "CMS_CACHE_REDIS_URL": redis.url,
            "CMS_CACHE_ADMIN_TOKEN": TOKEN,
        }
        command = ["-m", "granian", "--interface", "asgi", "--workers", "2", "--port", str(port.number)]
        site = Process([sys.executable, *command, "examples.newsroom.app:app"], Path(folder) / "log", env)
        try:
            until(lambda: _answers(port.number), "the newsroom answers", 60)
            _watch(port.number, Path(folder) / "browser")
        finally:
            site.kill()
            port.release()


def _answers(port: int) -> bool:
    try:
        with Client(port, timeout=5) as client:
            return client.get("/en/", {"host": "localhost"}).status == 200
    except OSError:
        return False


def _watch(port: int, folder: Path) -> None:
    with Client(port) as client:
        sitemap = client.get("/sitemap.xml", {"host": "localhost"}).body.decode()
    paths = re.findall(r"<loc>https?://[^/<]+([^<]*)</loc>", sitemap)
    ended = threading.Event()
    visitors = [threading.Thread(target=_visit, args=(port, paths, ended)) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    folder.mkdir()
    try:
        with Browser(folder) as browser:
            browser.show(width=1280, height=1500)
            browser.visit(f"http://127.0.0.1:{port}/_cache/")
            browser.type("#token", TOKEN)
            browser.press("Enter")
            time.sleep(WATCHED)
            browser.run("document.querySelector('#p-what').value = 'block:notice'")
            browser.run("document.querySelector('#p-why').value = 'the survey is over'")
            browser.click("#p-preview")
            time.sleep(1)
            browser.click("#p-go")
            browser.run("document.querySelector('#e-url').value = '/en/data/decimal'")
            browser.run("document.querySelector('#explain').requestSubmit()")
            browser.run("document.querySelector('#d-tag').value = 'block:contact'")
            browser.run("document.querySelector('#depends').requestSubmit()")
            time.sleep(6)
            (IMAGES / "dashboard-light.png").write_bytes(browser.picture())
            browser.show(width=1280, height=1500, scheme="dark")
            time.sleep(2)
            (IMAGES / "dashboard-dark.png").write_bytes(browser.picture())
            browser.show(width=390, height=1200, phone=True)
            time.sleep(2)
            (IMAGES / "dashboard-phone.png").write_bytes(browser.picture())
    finally:
        ended.set()
        for visitor in visitors:
            visitor.join()


def _visit(port: int, paths: list[str], ended: threading.Event) -> None:
    dice = random.Random(port)
    with Client(port) as client:
        while not ended.wait(0.01):
            client.get(paths[min(int(dice.expovariate(0.03)), len(paths) - 1)], {"host": f"localhost:{port}"})


if __name__ == "__main__":
    main()
