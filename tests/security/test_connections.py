"""Several requests on one connection: none is taken for a part of the one before it, whatever the server does between them."""

from __future__ import annotations

import socket
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Literal

import pytest

from cms_cache_mw import CacheMiddleware
from tests.security.origin import TAGS, pages
from tests.security.server import on_a_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN: Final = b"GET /%s HTTP/1.1\r\nHost: site.test\r\n\r\n"
LAST: Final = b"GET /last HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"
LARGE: Final = b"POST /form HTTP/1.1\r\nHost: site.test\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000

SENT: Final[dict[str, tuple[bytes, ...]]] = {
    # uvicorn begins the next request where the answer to the last one ends, in that render's context.
    "requests that do not wait": (PLAIN % b"first" + LAST,),
    # asyncio reads on in the context of whoever took what had been read.
    "a request after an upload": (LARGE, LAST),
    "a request behind an upload": (LARGE + LAST,),
    "a request after one that bypasses": (PLAIN.replace(b"\r\n\r\n", b"\r\nCookie: a=1\r\n\r\n") % b"me" + LAST,),
    "a request after a condition": (b'GET /a?h=etag:"1" HTTP/1.1\r\nHost: a\r\nIf-None-Match: "1"\r\n\r\n' + LAST,),
}


def answers(port: int, batches: tuple[bytes, ...]) -> Iterator[dict[str, str]]:
    """The fields of each answer on a connection; each batch is sent when an answer to the one before has come."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        for place, batch in enumerate(batches):
            connection.sendall(batch)
            while place + 1 < len(batches) and b"render" not in received:
                received += connection.recv(65_536)
        while chunk := connection.recv(65_536):
            received += chunk
    for head in received.split(b"HTTP/1.1 ")[1:]:
        lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        yield {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def faults(http: Literal["h11", "httptools"], sent: str) -> list[str]:
    """Answers that are not the cache's, or show what no client is to see."""
    found = []
    with on_a_thread(CacheMiddleware(pages), http=http, loop="asyncio") as port:
        told = list(answers(port, SENT[sent]))
    for fields in told:
        found += [f"{name} reached the client" for name in TAGS if name in fields]
        found += [] if "cache-status" in fields else ["the cache did not see it"]
    return found if len(told) == 2 else [f"{len(told)} answers"]


@pytest.mark.parametrize("sent", SENT)
@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_each_is_a_request_of_its_own(http: Literal["h11", "httptools"], sent: str) -> None:
    """Each is answered by the cache, and none shows its tags."""
    assert not faults(http, sent)


@pytest.mark.parametrize(
    "sent", [name for name in SENT if "upload" not in name]
)  # whether asyncio stops reading is a race
def test_mistaken_request_is_found(sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server is called in the context of the render, the next request passes the cache and shows its tags."""
    monkeypatch.setattr("cms_cache_mw.asgi.apart", nullcontext)
    assert faults("httptools", sent)
