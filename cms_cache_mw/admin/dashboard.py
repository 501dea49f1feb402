"""`GET /`: the dashboard, one page with its style and script in it, which asks nobody but this site for anything.

Without a token it is the body of the 401, so that a browser can load it; the page then asks with the token of whoever signs in.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.answer import Answer

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call, Nothing
    from cms_cache_mw.core.message import Fields

PAGE: Final = "text/html; charset=utf-8"
OK: Final = 200
UNAUTHORIZED: Final = 401


async def dashboard(call: Call, _: Nothing) -> Answer:
    """The dashboard; to whoever has no token yet, its login."""
    fields, body = _page()
    return Answer(OK if call.who else UNAUTHORIZED, fields, (body,))


@cache
def _page() -> tuple[Fields, bytes]:
    folder = files("cms_cache_mw.admin") / "page"
    text = {name: (folder / name).read_text("utf-8") for name in ("dashboard.html", "dashboard.css", "dashboard.js")}
    # uPlot 1.6.32, https://github.com/leeoniya/uPlot, MIT (page/uplot.LICENSE).
    style = (folder / "uplot.css").read_text("utf-8") + text["dashboard.css"]
    script = (folder / "uplot.js").read_text("utf-8") + text["dashboard.js"]
    body = text["dashboard.html"].replace("/*style*/", style).replace("/*script*/", script).encode()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    described = (
        (b"content-type", PAGE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
    )
    return described, body


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
