"""What an outsider tries over a raw socket, as a table: two requests for one URL, and whether the second may show what the first did.

`python -m tests.security.probe PORT` runs it against a server of `tests.security.origin` that is running already.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from tests.security.origin import TAGS
from tests.security.wire import Reply, exchange

Kind: TypeAlias = Literal["leak", "poisoning", "deception", "cpdos", "kept"]

EVIL: Final = "3v1l"
"""What an attacker sends and no victim must see."""

_paths = count(1)


@dataclass(frozen=True)
class Sent:
    """A request: in `target` and `host`, `{path}` is the URL under attack, with the query that chooses the answer's fields."""

    lines: tuple[str, ...] = ()
    method: str = "GET"
    target: str = "{path}"
    host: str | None = "site.test"
    body: bytes = b""
    version: str = "1.1"

    def raw(self, path: str) -> bytes:
        """Its bytes; the connection ends with it."""
        first = f"{self.method} {self.target.format(path=path)} HTTP/{self.version}"
        hosts = () if self.host is None else (f"Host: {self.host}",)
        head = "\r\n".join([first, *hosts, *self.lines, "Connection: close", "", ""])
        return head.encode("latin-1") + self.body


CLEAN: Final = Sent()


@dataclass(frozen=True)
class Check:
    """Two requests for one URL. `shares` says whether the second gets what the first was rendered; `None` leaves it open."""

    kind: Kind
    name: str
    first: Sent = CLEAN
    then: Sent = CLEAN
    answer: tuple[str, ...] = ()
    """Fields of the origin's answers."""
    status: int = 200
    shares: bool | None = False
    query: str = ""
    path: str = "/page-{number}"
    only: tuple[str, ...] = field(default=())
    """Servers it is for; all where it names none."""

    @property
    def id(self) -> str:
        """Its name with its class."""
        return f"{self.kind}: {self.name}"


def ran(check: Check, port: int) -> list[str]:
    """What is wrong: nothing, if the check holds."""
    asked = [f"h={quote(line)}" for line in check.answer] + ([f"status={check.status}"] if check.status != 200 else [])
    path = check.path.format(number=next(_paths)) + "?" + "&".join([*asked, *([check.query] if check.query else [])])
    first, then = (exchange(port, sent.raw(path)) for sent in (check.first, check.then))
    wrong = [f"{name} reached the client" for reply in (first, then) for name in reply.fields if name in TAGS]
    if EVIL in then.text:
        wrong.append(f"the second visitor sees what the first one sent: {then.text[:300]!r}")
    if not then.status or (check.then == CLEAN and then.status != check.status):
        wrong.append(f"the second visitor is answered with {then.status}")
    if check.shares is False and _shared(first, then):
        wrong.append(f"what is one visitor's was shown to another: {then.fields.get('cache-status')}")
    if check.shares is True and not _shared(first, then):
        wrong.append(f"not cached: {first.fields.get('cache-status')}; then {then.fields.get('cache-status')}")
    return wrong


def _shared(first: Reply, then: Reply) -> bool:
    return bool(first.text) and first.text.partition("\n")[0] == then.text.partition("\n")[0]


def main(port: int) -> int:
    """Run every check, print what is wrong, and give how many checks failed."""
    from tests.security.table import CHECKS

    failed = {check.id: wrong for check in CHECKS if (wrong := ran(check, port))}
    for name, wrong in failed.items():
        sys.stdout.write(f"{name}: {'; '.join(wrong)}\n")
    sys.stdout.write(f"{len(CHECKS)} checks, {len(failed)} failed\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]))))
