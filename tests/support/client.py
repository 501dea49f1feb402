"""A visitor: one keep-alive connection to one worker, and the answers as values."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Level: TypeAlias = Literal["memory", "shared"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def field(self, name: str) -> str | None:
        """A header field's value, its lines joined by commas, or `None`."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def cache_status(self) -> str:
        """What our cache says about this answer: the last item of Cache-Status (RFC 9211), less its name."""
        item = (self.field("cache-status") or "").rpartition(",")[2].strip()
        name, _, parameters = item.partition(";")
        assert name == "cms-cache", f"no Cache-Status of ours in {self.fields}"
        return parameters.strip()

    @property
    def level(self) -> Level | None:
        """Where a hit came from, or `None` if this is none."""
        parameters = [parameter.strip() for parameter in self.cache_status.split(";")]
        if "hit" not in parameters:
            return None
        return "shared" if "detail=shared" in parameters else "memory"

    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict), f"not a JSON object: {value!r}"
        return value


HOST = "site.test"
"""The host name that visitors ask for: all workers serve one site, whatever their ports."""


class Client:
    """Asks one server; the connection is kept between requests and made anew when the server closed it."""

    def __init__(self, port: int, *, token: str | None = None, timeout: float = 30.0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self._token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET."""
        return self.ask("GET", path, headers=headers)

    def purge(self, **fields: object) -> Answer:
        """The answer to a purge, with the fields of its JSON body: `purge(tags=["block:1"])`."""
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        return self.ask("POST", "/_cache/purge", json.dumps(fields).encode(), headers)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The whole answer to one request; OSError or HTTPException where none comes."""
        response = self.open(method, path, body, headers)
        content = response.read()
        return Answer(response.status, tuple(response.getheaders()), content)

    def open(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The response as soon as its head is there; its `read1` gives each chunk as it comes."""
        for attempt in ("kept", "new"):
            kept = attempt == "kept" and self._connection.sock is not None
            try:
                self._connection.request(method, path, body, {"host": HOST} | dict(headers or {}))
                return self._connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._connection.close()
                if not kept:
                    raise
            except (OSError, http.client.HTTPException):
                self._connection.close()
                raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
