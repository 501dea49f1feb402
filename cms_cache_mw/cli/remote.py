"""The admin endpoints of one server over HTTP: JSON in, JSON out, and each way it can fail as a `CommandError`."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from cms_cache_mw.cli.ending import CommandError, Ending, SilenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE: Final = 10.0
"""Seconds for an answer that waits for nothing."""
LARGEST_ANSWER: Final = 64 * 1_048_576
_REFUSED: Final = {401, 403, 429}
_PORTS: Final = {"http": 80, "https": 443}


class Answered(NamedTuple):
    """A status and the JSON object that came with it."""

    status: int
    found: dict[str, Any]


class Page(NamedTuple):
    """What a visitor gets: status, fields with lower-case names, and the body."""

    status: int
    fields: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Remote:
    """One server that the cache runs in. `server` is its address, such as `http://127.0.0.1:8000`."""

    server: str
    token: str | None
    admin_path: str

    def get(self, path: str, query: Mapping[str, object] | None = None, *, patience: float = PATIENCE) -> Answered:
        """The answer to a GET of an admin endpoint; what is empty is left out of the query."""
        given = urlencode({name: value for name, value in (query or {}).items() if value not in (None, "")}, doseq=True)
        return self._asked("GET", f"{path}?{given}" if given else path, patience=patience)

    def post(self, path: str, body: Mapping[str, object], *, patience: float = PATIENCE) -> Answered:
        """The answer to a POST of an admin endpoint, which may take `patience` seconds."""
        return self._asked("POST", path, json.dumps(body).encode(), patience=patience)

    def visit(self, target: str, fields: Mapping[str, str]) -> Page:
        """What a visitor gets who sends these fields."""
        status, found, body = self._exchange("GET", quote(target, safe="/%:@!$&'()*+,;=?~-._"), fields, None, PATIENCE)
        return Page(status, found, body)

    def _asked(self, method: str, path: str, body: bytes | None = None, *, patience: float) -> Answered:
        fields = {"Accept": "application/json"}
        if self.token:
            fields["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            fields["Content-Type"] = "application/json"
        where = self.admin_path.rstrip("/") + path
        status, _, answer = self._exchange(method, where, fields, body, patience)
        try:
            found = json.loads(answer)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise CommandError(Ending.UNREACHED, self._strange(status, where))
        if status in _REFUSED:
            raise CommandError(Ending.REFUSED, f"{self.server}: {self._refusal(found)}", field="token", found=found)
        if status in {400, 404, 405, 413, 422}:
            field, error = str(found.get("field", "")), str(found.get("error", found))
            said = f"{field}: {error}" if field else error
            raise CommandError(Ending.USAGE, f"the site refused it: {said}", field=field, found=found)
        if status >= 500 and "state" not in found:  # noqa: PLR2004 - an unrecorded purge has a state
            raise CommandError(Ending.UNREACHED, f"{self.server}: {found.get('error', found)}", found=found)
        return Answered(status, found)

    def _refusal(self, found: Mapping[str, object]) -> str:
        if not self.token:
            return "a token is needed: --token, or CMS_CACHE_TOKEN in the environment"
        return str(found.get("error", "the token was refused"))

    def _strange(self, status: int, where: str) -> str:
        if status in _REFUSED and not self.token:
            return f"{self.server}: a token is needed: --token, or CMS_CACHE_TOKEN in the environment"
        return (
            f"{self.server}{where.partition('?')[0]} answered {status}, and nothing that the cache's admin endpoints say:"
            " is the site behind the cache, with an admin token and this admin_path?"
        )

    def _exchange(
        self, method: str, target: str, fields: Mapping[str, str], body: bytes | None, patience: float
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            with closing(self._connection(patience)) as connection:
                connection.request(method, target, body, {"User-Agent": "cms-cache", **fields})
                answer = connection.getresponse()
                named: dict[str, str] = {}
                for name, value in answer.getheaders():
                    before = named.get(name.lower())
                    named[name.lower()] = value if before is None else f"{before}, {value}"
                return answer.status, named, answer.read(LARGEST_ANSWER)
        except TimeoutError:
            raise SilenceError(f"{self.server} did not answer within {patience:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CommandError(Ending.UNREACHED, f"{self.server} cannot be reached: {_said(error)}") from None

    def _connection(self, patience: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.server)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=patience, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=patience)


def server_of(text: str) -> str:
    """An address as it is asked; `ValueError` with what would be right."""
    parts = urlsplit(text)
    try:
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{text!r}: an address such as http://127.0.0.1:8000 or https://www.example.org")
    return f"{parts.scheme}://{parts.netloc}"


def _said(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is unknown"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"{type(error).__name__} {error}".strip()
