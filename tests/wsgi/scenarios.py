"""One table of what visitors ask and what they are to get, and the two worlds in which it is tried.

An application's behaviour is told without a word of ASGI or WSGI (`Behaviour`). ASGI has one way to give an answer, WSGI
several (`STYLES`); whichever it is, visitors and cache are to see no difference.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cms_cache_mw import depends_on, fragment
from cms_cache_mw.runtime import drive
from tests.support import asgi
from tests.support.asgi import HTML, Reply, fields
from tests.support.clock import Clock
from tests.wsgi import direct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from wsgiref.types import StartResponse, WSGIEnvironment

    from starlette.types import Receive, Scope, Send

TOKEN: Final = "secret-of-the-tests"
BEARER: Final = f"Authorization: Bearer {TOKEN}"

World: TypeAlias = Literal["asgi", "list", "tuple", "iterator", "generator", "late", "write", "closing", "file"]
STYLES: Final[tuple[World, ...]] = ("list", "tuple", "iterator", "generator", "late", "write", "closing", "file")
"""How a WSGI application gives its answer: as a whole, by an iterator, by a generator that calls `start_response` at once or
only when it is iterated, by `write`, by an iterable to be closed, as a file."""
STREAMS: Final[tuple[World, ...]] = ("generator", "late", "closing")
"""Those that can fail, or say what they depend on, in the middle of a body."""


class Broken(Exception):  # noqa: N818 - it is the site that is
    """What a broken application raises."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What an application does for a path. In a chunk `%d` is the number of the render, and `%s` what it sees of the request."""

    chunks: Sequence[bytes] = (b"render %d",)
    lines: Sequence[str] = (HTML,)
    status: int = 200
    fails: Literal["", "early", "late"] = ""
    """Whether it raises, before the start or after the first chunk."""
    etag: str = ""
    """Answered with 304 where the request has it."""
    tags: Sequence[str] = ()
    """Added to the set in scope or environ."""
    part: str = ""
    """A fragment that is on the page."""
    late_tag: str = ""
    """What it depends on, said after the first chunk."""


@dataclass(frozen=True, slots=True)
class Step:
    """A request, and what is to come of it. In `lines` `{etag}` is that of the reply before."""

    target: str = "/a"
    lines: Sequence[str] = ()
    method: str = "GET"
    sent: bytes = b""
    status: int = 200
    says: str | None = None
    """Our item of Cache-Status; `None` where there is none."""
    shows: bytes | None = None
    """The body; `None` where it does not matter."""
    has: Mapping[str, str | None] = field(default_factory=dict)
    """Fields that it has; `None` for one that it does not have."""
    raises: bool = False
    after: float = 0.0
    """Seconds that pass before."""
    purges: Sequence[str] = ()
    """Tags that are purged before."""
    soft: bool = False
    now: Behaviour | None = None
    """How the application behaves from now on."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps, and the application they are for."""

    name: str
    steps: Sequence[Step]
    behaviour: Behaviour = field(default_factory=Behaviour)
    options: Mapping[str, Any] = field(default_factory=dict)
    worlds: Sequence[World] = ("asgi", *STYLES)


@dataclass(slots=True)
class Outcome:
    """What came of a step."""

    reply: Reply
    raised: bool

    @property
    def whole(self) -> tuple[object, ...]:
        """All that a visitor sees; not how gzip was cut into chunks, nor what an epoch is called."""
        reply = self.reply
        fields, body = sorted(reply.fields), re.sub(rb'"epoch":"\w+"', b"", reply.body)
        if reply.field("content-encoding") == "gzip":
            fields, body = [field for field in fields if field[0] != b"content-length"], gzip.decompress(body)
        return reply.status, fields, body, self.raised


class Application:
    """Behaves; `seen` are the requests, as method, path with query, fields and body."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.renders: Counter[str] = Counter()
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    def answer(self, method: str, target: str, asked: dict[str, str], body: bytes, tags: set[str]) -> Answer:
        """What to answer; raises `Broken` where that is how it behaves."""
        behaviour = self.behaviour
        self.seen.append((method, target, asked, body))
        self.renders[target] += 1
        tags.update(behaviour.tags)
        if behaviour.fails == "early":
            raise Broken
        lines = [*behaviour.lines, *([f"ETag: {behaviour.etag}"] if behaviour.etag else [])]
        if behaviour.etag and asked.get("if-none-match") == behaviour.etag:
            return Answer(304, lines, [])
        return Answer(behaviour.status, lines, self.chunks(target, asked))

    def chunks(self, target: str, asked: dict[str, str]) -> Iterator[bytes]:
        """The body's chunks; what happens between them happens when they are asked for."""
        behaviour = self.behaviour
        seen = ";".join(f"{name}={value}" for name, value in sorted(asked.items()))
        for place, chunk in enumerate(behaviour.chunks):
            if place == 1 and behaviour.late_tag:
                depends_on(behaviour.late_tag)
            if place == 1 and behaviour.fails == "late":
                raise Broken
            shown = chunk.replace(b"%d", b"%d" % self.renders[target]).replace(b"%s", f"{target} {seen}".encode())
            yield shown + (part(behaviour.part).encode() if behaviour.part and not place else b"")


@dataclass(slots=True)
class Answer:
    """An answer, before it is put into one world's words."""

    status: int
    lines: Sequence[str]
    chunks: Iterable[bytes]


_ELSEWHERE: Final = {b"host", b"content-type", b"content-length"}
"""Fields that are not noted: an environ has them under names of their own, and cannot have them twice."""

_parts: Counter[str] = Counter()


@fragment("block:scenario:{name}", ttl=60)
def part(name: str) -> str:
    """A fragment that counts how often it was rendered."""
    _parts[name] += 1
    return f" part {_parts[name]}"


class Asynchronous(Application):
    """The application as ASGI."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        asked = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name not in _ELSEWHERE}
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        body = (await receive())["body"]
        answer = self.answer(scope["method"], target, asked, body, scope["cms_cache.tags"])
        await send({"type": "http.response.start", "status": answer.status, "headers": fields(*answer.lines)})
        for chunk in answer.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})


class Threaded(Application):
    """The application as WSGI, in one of the styles."""

    def __init__(self, behaviour: Behaviour, style: World) -> None:
        super().__init__(behaviour)
        self._style = style
        self.opened = self.closed = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer."""
        if self._style == "late":
            return self._late(environ, start_response)
        answer, write = self._start(environ, start_response)
        match self._style:
            case "list":
                return list(answer.chunks)
            case "tuple":
                return tuple(answer.chunks)
            case "write":
                for chunk in answer.chunks:
                    write(chunk)
                return []
            case "closing":
                self.opened += 1
                return _Closing(answer.chunks, self._close)
            case "file":
                return environ["wsgi.file_wrapper"](_File(answer.chunks), 8)  # type: ignore[no-any-return]
        return iter(answer.chunks)

    def _late(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        answer, _ = self._start(environ, start_response)
        yield from answer.chunks

    def _start(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> tuple[Answer, Callable[[bytes], object]]:
        asked = {
            name[5:].lower().replace("_", "-"): v
            for name, v in environ.items()
            if name[:5] == "HTTP_" and name != "HTTP_HOST"
        }
        query = environ["QUERY_STRING"]
        target = environ["PATH_INFO"] + (f"?{query}" if query else "")
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = self.answer(environ["REQUEST_METHOD"], target, asked, sent, environ["cms_cache.tags"])
        if self._style in {"list", "tuple", "iterator", "file"}:
            # What fails in the middle fails before it starts, where all is made at once.
            answer.chunks = list(answer.chunks)
        pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in answer.lines)]
        return answer, start_response(f"{answer.status} Some phrase", pairs)

    def _close(self) -> None:
        self.closed += 1


class _Closing:
    def __init__(self, chunks: Iterable[bytes], close: Callable[[], None]) -> None:
        self._chunks, self.close = chunks, close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


class _File:
    """A file, as far as `wsgi.file_wrapper` wants one."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._text = b"".join(chunks)

    def read(self, size: int) -> bytes:
        """The next bytes."""
        text, self._text = self._text[:size], self._text[size:]
        return text


def played(scenario: Scenario, world: World) -> tuple[Application, list[Outcome]]:
    """A scenario in one of the worlds."""
    _parts.clear()
    options = {"admin_token": TOKEN} | dict(scenario.options)
    if world == "asgi":
        return asyncio.run(_asynchronous(scenario, options))
    application = Threaded(scenario.behaviour, world)
    clock, outcomes = Clock(), list[Outcome]()
    with direct.caching(application, clock, **options) as site:
        server = direct.Server(site)
        for step in scenario.steps:
            clock.advance(step.after)
            application.behaviour = step.now or application.behaviour
            if step.purges:
                site.cache.purge_sync(tags=step.purges, soft=step.soft)
            lines = _lines(step, outcomes)
            exchange = server.serve(server.environ(step.target, *lines, method=step.method, body=step.sent))
            drive(site.cache.runtime.finish())
            outcomes.append(Outcome(exchange.reply, exchange.error is not None))
    assert application.opened == application.closed
    return application, outcomes


async def _asynchronous(scenario: Scenario, options: dict[str, Any]) -> tuple[Application, list[Outcome]]:
    application = Asynchronous(scenario.behaviour)
    clock, outcomes = Clock(), list[Outcome]()
    async with asgi.caching(application, clock, **options) as site:
        visitor = asgi.Visitor(site)
        for step in scenario.steps:
            clock.advance(step.after)
            application.behaviour = step.now or application.behaviour
            if step.purges:
                await site.cache.purge(tags=step.purges, soft=step.soft)
            call = visitor.call(step.target, *_lines(step, outcomes), method=step.method, body=step.sent)
            await asyncio.wait([call.task])
            await site.cache.runtime.finish()
            outcomes.append(Outcome(call.reply, call.task.exception() is not None))
    return application, outcomes


def _lines(step: Step, outcomes: list[Outcome]) -> list[str]:
    etag = (outcomes[-1].reply.field("etag") if outcomes else None) or ""
    return [line.replace("{etag}", etag) for line in step.lines]
