"""What a browser sends: Chrome's 14 request fields with the cookies of analytics, new bytes each time, as servers make them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from starlette.types import Scope

_NO_BODY = io.BytesIO()
HOST = "www.example.org"
_FIELDS = {
    "host": HOST,
    "connection": "keep-alive",
    "sec-ch-ua": '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Windows"',
    "upgrade-insecure-requests": "1",
    "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7",
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-US,en;q=0.9,de;q=0.8",
}
"""Thirteen of them: the fourteenth is Cookie."""


def cookies(draw: random.Random) -> str:
    """The cookies of a visitor, as Google Analytics, Google Ads, Facebook and a consent banner set them."""
    first, now = draw.randrange(1_700_000_000, 1_760_000_000), draw.randrange(1_760_000_000, 1_763_000_000)
    return (
        f"_ga=GA1.1.{draw.randrange(10**9)}.{first}; _ga_9XH2K3LMNP=GS2.1.s{now}$o{draw.randrange(99)}$g1$t{now}$j60$l0$h0; "
        f"_gcl_au=1.1.{draw.randrange(10**9)}.{first}; _fbp=fb.1.{first}123.{draw.randrange(10**9)}; "
        f"OptanonConsent=isGpcEnabled=0&datestamp=Fri+Nov+21+2025&version=202410.1.0&groups=C0001%3A1%2CC0002%3A1"
    )


def fields(draw: random.Random, *more: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    """The request fields of one page view as ASGI has them; `more` replace or follow them."""
    lines = {**_FIELDS, "cookie": cookies(draw), **dict(more)}
    return [(name.encode(), value.encode()) for name, value in lines.items()]


def scope(draw: random.Random, path: str, *more: tuple[str, str], method: str = "GET") -> Scope:
    """The scope of one page view."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": bytes(bytearray()),
        "root_path": "",
        "headers": fields(draw, *more),
        "client": ("192.0.2.1", 40_000),
        "server": (HOST, 443),
    }


def environ(draw: random.Random, path: str, *more: tuple[str, str], method: str = "GET") -> dict[str, Any]:
    """The environ of one page view, with what granian puts there."""
    made: dict[str, Any] = {
        "SERVER_SOFTWARE": "Granian",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "192.0.2.1",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"{path}"[:],
        "QUERY_STRING": "",
        "REQUEST_METHOD": method,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": _NO_BODY,
        "wsgi.errors": None,
        "wsgi.multiprocess": False,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    lines = {**_FIELDS, "cookie": cookies(draw), **dict(more)}
    return made | {f"HTTP_{name.upper().replace('-', '_')}": f"{value} "[:-1] for name, value in lines.items()}
