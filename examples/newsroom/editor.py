"""An editor who works by script: signs in, fills in the same forms as a person, and sends them.

with Editor("http://127.0.0.1:8000") as editor:
    editor.sign_in()
    saved = editor.edit_block("notice", body="<p>The survey is closed. Thank you!</p>")
    print(saved.done, saved.seq, saved.waited_ms)
"""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from typing import Self

Fields = dict[str, list[str]]

OK, SEE_OTHER = 200, 303


class EditorError(Exception):
    """The newsroom refused; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved edit: whether every worker has dropped what depended on it, and the purge that did it."""

    done: bool
    seq: int
    waited_ms: float
    tags: tuple[str, ...]
    status: str


class Editor:
    """A signed-in editor at `address`; `host` is sent as Host where the address is not the site's own."""

    def __init__(self, address: str, *, host: str | None = None, timeout: float = 30.0) -> None:
        split = urlsplit(address)
        self._host = host or split.netloc
        self._connection = http.client.HTTPConnection(split.hostname or "127.0.0.1", split.port or 80, timeout=timeout)
        self._cookie = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the session stays."""
        self._connection.close()

    def sign_in(self, name: str = "editor", password: str = "newsroom") -> None:
        """Sign in; what is asked for from now on is an editor's."""
        status, _, text = self._request("POST", "/login", {"username": [name], "password": [password]})
        if status != SEE_OTHER:
            raise EditorError(f"signing in as {name!r}: {status}, {_faults(text) or 'refused'}")

    def edit_block(
        self, block: str, *, language: str = "en", title: str | None = None, body: str | None = None
    ) -> Saved:
        """Change what a block says in one language."""
        return self.edit(f"/edit/block/{block}", **{f"title_{language}": title, f"body_{language}": body})

    def edit_template(self, template: str, source: str) -> Saved:
        """Change a template's source."""
        return self.edit(f"/edit/template/{template}", source=source)

    def edit_translation(
        self,
        page: int,
        language: str = "de",
        *,
        title: str | None = None,
        teaser: str | None = None,
        body: str | None = None,
    ) -> Saved:
        """Change what a page says in a language other than English."""
        return self.edit(f"/edit/page/{page}/{language}", title=title, teaser=teaser, body=body)

    def edit_page(self, page: int, **changes: str | list[str] | None) -> Saved:
        """Change a page's English text, or its settings: slug, parent, template, date, published, blocks, related."""
        return self.edit(f"/edit/page/{page}", **changes)

    def edit(self, form: str, **changes: str | list[str] | None) -> Saved:
        """Fetch a form, change some of its fields and send it; None leaves a field as it is, "" empties it."""
        fields = self.fields(form)
        for name, value in changes.items():
            if value is not None:
                fields[name] = [value] if isinstance(value, str) else value
        status, headers, text = self._request("POST", form, fields)
        if status != SEE_OTHER:
            raise EditorError(f"{form}: {status}, {_faults(text) or text[:200]}")
        purge = headers.get("Purge-Status", "")
        numbers = dict(re.findall(r"(seq|waited_ms)=([0-9.]+)", purge))
        tags = tuple(tag for tag in headers.get("Purge-Tags", "").split(", ") if tag)
        done = purge.partition(";")[0] in {"done", "none"}
        return Saved(done, int(numbers.get("seq", 0)), float(numbers.get("waited_ms", 0)), tags, purge)

    def fields(self, form: str) -> Fields:
        """The fields of a form with their present values."""
        status, headers, text = self._request("GET", form)
        if status != OK:
            raise EditorError(f"{form}: {status}, {headers.get('Location', 'no such form')}")
        reader = _FormReader()
        reader.feed(text)
        return reader.fields

    def _request(
        self, method: str, path: str, fields: Fields | None = None
    ) -> tuple[int, http.client.HTTPMessage, str]:
        headers = {"Host": self._host, "Cookie": self._cookie} if self._cookie else {"Host": self._host}
        body = None
        if fields is not None:
            body = urlencode(fields, doseq=True)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # A server closes idle connections when it likes. Only a request without effect is sent twice.
            self._connection.close()
            if method != "GET":
                raise
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        for line in response.headers.get_all("Set-Cookie", ()):
            for name, morsel in SimpleCookie(line).items():
                self._cookie = f"{name}={morsel.value}"
        return response.status, response.headers, text


class _FormReader(HTMLParser):
    """Reads the fields of the form that edits something: the one with a version."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: Fields = {}
        self._textarea: str | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a field."""
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self.fields = {}
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = [""]
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.fields):
            self.fields[self._select] = [value]
        elif tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            self.fields.setdefault(name, []).append(value)

    def handle_endtag(self, tag: str) -> None:
        """Leave a field."""
        if tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        """Add to the text of a textarea, whose first line break is not part of it (HTML §13.1.2.5)."""
        if self._textarea is not None:
            before = self.fields[self._textarea][0]
            self.fields[self._textarea] = [before + (data if before else data.removeprefix("\n"))]


def _faults(text: str) -> str:
    found: list[str] = re.findall(r'class="fault"[^>]*>([^<]*)<|role="alert"><strong>([^<]*)<', text)
    return unescape(" ".join("".join(pair).strip() for pair in found))
