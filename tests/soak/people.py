"""Who comes to the newsroom: readers, crawlers, searchers, people with analytics cookies, with sessions, and one who floods."""

from __future__ import annotations

import http.client
import random
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.support.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

LINK: Final = re.compile(rb'href="(/[^"#?]*)"')
HOSTS: Final = ("newsroom.localhost", "docs.localhost")


KINDS: Final[tuple[Callable[[str, str], tuple[str, dict[str, str], str]], ...]] = (
    *(lambda path, _: (path, {}, "GET"),) * 4,
    lambda path, number: (f"{path}?q={number}", {}, "GET"),
    lambda path, number: (f"{path}?utm_source={number}", {}, "GET"),
    lambda path, number: (path, {"cookie": f"_ga={number}"}, "GET"),
    lambda path, number: (path, {"cookie": f"session={number}"}, "GET"),
    lambda path, number: (path, {"x-forwarded-host": f"h{number}.test"}, "GET"),
    lambda path, _: (path, {"range": "bytes=0-99"}, "GET"),
    lambda _, number: (f"/nowhere/{number}", {}, "GET"),
    lambda path, _: (path, {}, "HEAD"),
    lambda path, _: (path, {}, "POST"),
)
"""Path, fields and method of a request for a path by somebody with a number."""


class People:
    """Visitors on threads, each asking one worker after another until `stop`. Workers that restart are asked again."""

    def __init__(self, ports: Callable[[], list[int]], seed: int) -> None:
        self.statuses: Counter[int] = Counter()
        self.errors: list[str] = []
        """What no restart explains."""
        self.refused = 0
        """Requests that met a worker while it restarted."""
        self._ports, self._seed = ports, seed
        self._paths = {host: ["/"] for host in HOSTS}
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(6)]

    def start(self) -> None:
        """Let them come."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send them home."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _visit(self, number: int) -> None:
        chance = random.Random(self._seed + number)
        while not self._stopping.wait(0.01):
            try:
                with Client(chance.choice(self._ports()), timeout=20) as client:
                    for _ in range(chance.randint(1, 30)):
                        if self._stopping.wait(chance.random() * 0.02):
                            return
                        self._ask(client, chance)
            except (OSError, http.client.HTTPException):
                self.refused += 1

    def _ask(self, client: Client, chance: random.Random) -> None:
        host = chance.choice(HOSTS)
        path, headers, method = chance.choice(KINDS)(chance.choice(self._paths[host]), str(chance.random()))
        headers = {"host": host, "accept-encoding": chance.choice(("gzip", "br, gzip", "identity"))} | headers
        body = b"name=a" if method == "POST" else None
        answer = client.ask(method, path, body, headers)
        self.statuses[answer.status] += 1
        if answer.status >= 500:
            self.errors.append(f"{method} {host}{path}: {answer.status} {answer.cache_status}")
        if len(self._paths[host]) < 200:
            known = set(self._paths[host])
            self._paths[host] += [
                found
                for link in LINK.findall(answer.body)
                if (found := link.decode()) not in known and "log" not in found
            ]
