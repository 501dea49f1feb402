"""The admin surface from outside: nothing without a token, nothing that a browser of another site could use, no hint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from cms_cache_mw import CacheMiddleware, Config
from cms_cache_mw.admin.api import Admin
from cms_cache_mw.admin.tokens import Tokens
from tests.security.origin import pages
from tests.security.server import on_a_thread
from tests.security.wire import Reply, exchange

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN: Final = "token-of-the-tests"
PATHS: Final = (
    "/purge",
    "/stats",
    "/purges",
    "/explain?url=/",
    "/nothing",
    "",
    "/",
    "/%2e%2e/stats",
    "/stats/../purge",
    "//stats",
)
TRIES: Final = (
    "",
    "Authorization: Bearer",
    "Authorization: Bearer ",
    "Authorization: Bearer wrong-token",
    f"Authorization: Basic {TOKEN}",
    f"Authorization: {TOKEN}",
    f"Authorization: Bearer {TOKEN[:-1]}",
    f"Authorization: Bearer {TOKEN}x",
    f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer wrong",
    f"X-Authorization: Bearer {TOKEN}",
    f"Cookie: token={TOKEN}",
)


def asked(port: int, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> Reply:
    """The answer to a request for an admin endpoint."""
    sized = [f"Content-Length: {len(body)}"] if body else []
    head = "\r\n".join(
        [f"{method} /_cache{path} HTTP/1.1", "Host: a.test", *filter(None, lines), *sized, "Connection: close"]
    )
    return exchange(port, head.encode() + b"\r\n\r\n" + body)


RIGHT: Final = f"Authorization: Bearer {TOKEN}"


def faults(port: int) -> list[str]:
    """What is wrong with the surface of a server."""
    found = [
        f"{path} with {line!r}: {reply.status}"
        for path in PATHS
        for line in TRIES
        if (reply := asked(port, path, line)).status not in {401, 429} or TOKEN in reply.text
    ]
    for path in ("/stats", "/nothing", "/purge"):
        reply = asked(port, path, RIGHT, "Origin: https://evil.test")
        if "access-control-allow-origin" in reply.fields:
            found.append(f"{path} is readable from other sites")
        if "no-store" not in reply.fields.get("cache-control", ""):
            found.append(f"{path} may be stored")
    if "purge" in asked(port, "/nothing", RIGHT).text:
        found.append("an unknown path hints at others")
    large, many = b'{"tags":["' + b"a" * 70_000 + b'"]}', b'{"tags":[' + b",".join([b'"a"'] * 501) + b"]}"
    statuses = {
        "an unknown path": (asked(port, "/nothing", RIGHT), {404}),
        "a token in the URL": (asked(port, f"/stats?token={TOKEN}"), {401, 429}),
        "a purge by GET": (asked(port, "/purge", RIGHT), {405}),
        "a body of 70 KB": (asked(port, "/purge", RIGHT, method="POST", body=large), {413}),
        "501 tags": (asked(port, "/purge", RIGHT, method="POST", body=many), {400}),
        "a right token after wrong ones": (asked(port, "/stats", RIGHT), {200}),
    }
    return found + [f"{what}: {reply.status}" for what, (reply, right) in statuses.items() if reply.status not in right]


def test_surface() -> None:
    """Without the token nothing but 401 or 429; with it no more than was asked for, to nobody else."""
    with on_a_thread(CacheMiddleware(pages, Config(admin_token=TOKEN))) as port:
        assert not faults(port)


CARELESS: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "the beginning of a token will do": lambda patch: patch.setattr(
        "cms_cache_mw.admin.tokens.hmac.compare_digest", lambda *_: True
    ),
    "a flood of wrong tokens locks out the right one": lambda patch: patch.setattr(
        Tokens, "__bool__", lambda tokens: tokens._wrong < 10
    ),
    "bodies of any size": lambda patch: patch.setattr(Admin, "max_body_bytes", 10**9),
}


@pytest.mark.parametrize("careless", CARELESS)
def test_careless_surface_is_found(careless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these makes the checks fail."""
    CARELESS[careless](monkeypatch)
    with on_a_thread(CacheMiddleware(pages, Config(admin_token=TOKEN))) as port:
        assert faults(port)
