"""The WSGI shell against PEP 3333: what it does for servers, for applications, and for threads that meet in it."""

from __future__ import annotations

import contextvars
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import depends_on, fragment
from cms_cache_mw.runtime import drive
from tests.support.wait import until
from tests.wsgi.direct import Server, caching, validated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from tests.support.clock import Clock

MISS = "fwd=uri-miss; stored"
HIT = "hit; ttl=300; detail=memory"
HTML = ("Content-Type", "text/html")
PURGED = "fwd=miss; stored; detail=purged"


class Body:
    """An iterable with a `close`, as frameworks return it; `log` says what happened to it."""

    def __init__(self, *chunks: bytes, fails: str = "") -> None:
        self.log: list[str] = []
        self._chunks, self._fails = chunks, fails

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.log.append(f"made {chunk.decode()}")
            yield chunk
        if self._fails == "late":
            raise ValueError("late")

    def close(self) -> None:
        """Be closed."""
        self.log.append("closed")
        if self._fails == "closing":
            raise ValueError("closing")


def giving(body: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK") -> WSGIApplication:
    """An application that gives this body."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [HTML, *headers])
        return body

    return app


def triple(error: BaseException) -> Any:  # noqa: ANN401 - PEP 3333's triple
    """An error as `start_response` wants it."""
    return type(error), error, error.__traceback__


class Threads:
    """Threads that ask at once; each result is a body and a Cache-Status, or an exception's name."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count)

    def __enter__(self) -> Callable[..., Any]:
        return self._pool.submit

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


@pytest.fixture
def stage(clock: Clock) -> Iterator[Callable[..., Server]]:
    """Puts an application behind a cache and a server in front of it."""
    with ExitStack() as stack:

        def build(app: WSGIApplication, *, server: Any = None, **options: Any) -> Server:  # noqa: ANN401 - options of any type
            return Server(stack.enter_context(caching(app, clock, **options)), **(server or {}))

        yield build


# Closing.


@pytest.mark.parametrize("most_chunks", [None, 1, 2])
def test_body_is_closed_once(stage: Callable[..., Server], most_chunks: int | None) -> None:
    """Whether the client stays or goes, the application's iterable is closed once; what was not heard out is not stored."""
    body = Body(b"a", b"b", b"c")
    server = stage(giving(body))
    exchange = server.serve(server.environ("/a"), most_chunks=most_chunks)
    exchange.returned.close()  # type: ignore[attr-defined]
    made = ["made a", "made b", "made c"]
    assert body.log == [*made[: most_chunks or 3], "closed"]
    assert server.get("/a").cache_status == (MISS if most_chunks else HIT)


def test_body_that_nobody_iterates(stage: Callable[..., Server]) -> None:
    """A server that closes without iterating leaves nobody waiting."""
    body = Body(b"a", b"b")
    server = stage(giving(body))
    given: Any = server.app(server.environ("/a"), lambda *_: print)
    given.close()
    assert body.log == ["made a", "closed"]
    assert server.get("/a").cache_status == MISS


@pytest.mark.parametrize("fails", ["", "late"])
def test_server_that_never_closes(stage: Callable[..., Server], fails: str) -> None:
    """Leaves the application's iterable open, and yet nobody waiting for the render."""
    server = stage(giving(Body(b"a", fails=fails)))
    given: Any = server.app(server.environ("/a"), lambda *_: print)
    with suppress(ValueError):
        list(given)
    assert server.app.cache.stats()["flights"] == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("fails", ["late", "closing"])
def test_failing_body_is_closed_once(stage: Callable[..., Server], fails: str) -> None:
    """What the application raises in the middle or in the end reaches the server."""
    body = Body(b"a", fails=fails)
    server = stage(giving(body))
    exchange = server.serve(server.environ("/a"))
    assert str(exchange.error) == fails
    assert body.log == ["made a", "closed"]
    assert (exchange.reply.body, exchange.reply.ended) == (b"a", fails == "closing")


def test_failing_start_closes_the_body(stage: Callable[..., Server]) -> None:
    """An iterable that fails before its first bytes is closed although the server never saw it."""
    log: list[str] = []

    class Failing(Body):
        def __iter__(self) -> Iterator[bytes]:
            yield b""
            raise ValueError("early")

        def close(self) -> None:
            log.append("closed")

    server = stage(giving(Failing()))
    exchange = server.serve(server.environ("/a"))
    assert (str(exchange.error), exchange.line, log) == ("early", "", ["closed"])


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_worker_that_is_ended_lands_its_flight(stage: Callable[..., Server], error: type[BaseException]) -> None:
    """A server that aborts a request by an exception of its own leaves no flight behind."""

    def app(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
        raise error

    server = stage(app)
    assert isinstance(server.serve(server.environ("/a")).error, error)
    assert server.app.cache.stats()["flights"] == 0  # type: ignore[attr-defined]


# Heads.


def test_head_can_change_until_bytes_flow(stage: Callable[..., Server]) -> None:
    """`start_response` with an error replaces the head, also from a generator; the error's page is what visitors get."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        yield b""
        try:
            raise ValueError("template")  # noqa: TRY301
        except ValueError as error:
            start_response("500 Broken", [("X-Error", "1")], triple(error))
        yield b"sorry"

    server = stage(app)
    for _ in range(2):
        exchange = server.serve(server.environ("/a"))
        assert (exchange.line, exchange.reply.body) == ("500 Broken", b"sorry")
        assert exchange.reply.field("x-error") == "1"
        assert exchange.reply.field("content-type") is None
        assert exchange.reply.cache_status == "fwd=uri-miss; detail=status"


def test_head_cannot_change_afterwards(stage: Callable[..., Server]) -> None:
    """Once bytes flow, `start_response` raises the error that it is given, in the application; nothing is stored."""
    seen: list[BaseException] = []

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        yield b"a"
        try:
            raise ValueError("template")  # noqa: TRY301
        except ValueError as error:
            try:
                start_response("500 Broken", [], triple(error))
            except ValueError as raised:
                seen.append(raised)
                raise
        yield b"never"

    server = stage(app)
    exchange = server.serve(server.environ("/a", "Accept-Encoding: gzip"))
    assert seen == [exchange.error]
    assert (exchange.line, exchange.reply.ended) == ("200 OK", False)
    assert server.serve(server.environ("/a")).reply.cache_status == MISS


def test_second_start_without_error(stage: Callable[..., Server]) -> None:
    """Is a fault of the application, and told so."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [HTML])
        start_response("200 OK", [HTML])
        return [b"a"]

    server = stage(app)
    assert "without exc_info" in str(server.serve(server.environ("/a")).error)


@pytest.mark.parametrize("body", [[b"a"], iter([b"a"]), iter(())], ids=["list", "iterator", "nothing"])
def test_body_before_the_head(stage: Callable[..., Server], body: Iterable[bytes]) -> None:
    """A body without `start_response` is a fault of the application, and told so."""

    def app(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
        return body

    server = stage(app)
    assert "before it called start_response" in str(server.serve(server.environ("/a")).error)


def test_phrase_is_kept(stage: Callable[..., Server]) -> None:
    """What the application calls its status stays; what comes from the cache has the standard's phrase."""
    server = stage(giving([b"a"], status="200 Fine"))
    assert [server.serve(server.environ("/a")).line for _ in range(2)] == ["200 Fine", "200 OK"]


# Bodies.


def test_chunks_are_forwarded_at_once(stage: Callable[..., Server]) -> None:
    """Each chunk reaches the server before the next one is made; an empty one stays one: the server may go on with others."""
    body = Body(b"a", b"b", b"", b"c")
    server = stage(giving(body))
    chunks = server.app(server.environ("/a"), lambda *_: print)
    seen = [(chunk, body.log[-1]) for chunk in chunks]
    assert seen == [(b"a", "made a"), (b"b", "made b"), (b"", "made "), (b"c", "made c")]


@pytest.mark.parametrize("length", [True, False])
def test_next_request_hits_before_the_first_has_ended(stage: Callable[..., Server], length: bool) -> None:
    """The page is stored before its last bytes leave: with a length by the last chunk, else by the end of the iterable."""
    server = stage(giving(Body(b"a", b"b"), *([("Content-Length", "2")] if length else [])))
    given: Any = server.app(server.environ("/a"), lambda *_: print)
    chunks = iter(given)
    assert [next(chunks), next(chunks)] == [b"a", b"b"]
    if not length:
        assert next(chunks, None) is None
    assert server.get("/a").cache_status == HIT
    given.close()


def test_bytes_beyond_the_length_are_dropped(stage: Callable[..., Server]) -> None:
    """An application that sends more than it said would break the coding that was begun."""
    server = stage(giving(iter([b"a" * 9, b"b"]), ("Content-Length", "9")))
    assert server.get("/a").body == b"a" * 9


def test_whole_bodies_stay_lists(stage: Callable[..., Server]) -> None:
    """Servers have a shorter way for lists: what is whole, and what comes from memory, goes that way."""
    server = stage(giving([b"a", b"b"]))
    assert [server.serve(server.environ("/a")).returned for _ in range(2)] == [[b"a", b"b"], [b"ab"]]


@pytest.mark.parametrize("writes", [True, False], ids=["server writes", "server cannot write"])
def test_write(stage: Callable[..., Server], writes: bool) -> None:
    """What is written comes before the iterable: at once, or, under servers that know no `write`, with it."""
    served: list[object] = []

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [HTML])
        write(b"a")
        served.append(list(sent))
        write(b"b")
        return iter([b"c"])

    sent: list[bytes] = []
    server = stage(app, server={"writes": writes})
    given: Any = server.app(server.environ("/a"), lambda *_: sent.append if writes else None)  # type: ignore[arg-type]
    sent += given
    given.close()
    assert b"".join(sent) == b"abc"
    assert served == [[b"a"] if writes else []]
    assert server.get("/a").body == b"abc"
    assert len(served) == 1


def test_write_ends_the_time_for_changes(stage: Callable[..., Server]) -> None:
    """After `write` the head is out, whatever was written."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [HTML])(b"")
        try:
            raise ValueError("late")  # noqa: TRY301
        except ValueError as error:
            start_response("500 Broken", [], triple(error))
        return []

    server = stage(app)
    assert str(server.serve(server.environ("/a")).error) == "late"


def test_file_that_is_not_stored(stage: Callable[..., Server]) -> None:
    """Goes to the server as the file that it is, which can send it by itself; the server closes it."""
    file = io.BytesIO(b"picture")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "image/png"), ("Cache-Tag", "a")])
        return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]

    server = stage(app)
    environ = server.environ("/a.png")
    exchange = server.serve(environ)
    assert isinstance(exchange.returned, environ["wsgi.file_wrapper"])
    assert (exchange.reply.body, exchange.reply.field("cache-tag"), file.closed) == (b"picture", None, True)
    assert server.app.cache.stats()["flights"] == 0  # type: ignore[attr-defined]


def test_file_that_is_stored(stage: Callable[..., Server]) -> None:
    """A page in a file is read once."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [HTML])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"page"))  # type: ignore[no-any-return]

    server = stage(app)
    assert [server.get("/a").cache_status for _ in range(2)] == [MISS, HIT]


@pytest.mark.parametrize("lines", [(), ("Accept-Encoding: gzip",), ('If-None-Match: "v"',), ("Cookie: s=1",)])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_both_sides_are_valid(stage: Callable[..., Server], method: str, lines: tuple[str, ...]) -> None:
    """The standard library's checker finds no fault with us as a server or as an application, for misses, hits and the rest."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [HTML, ("ETag", '"v"')])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else (chunk for chunk in (b"a", b"", b"b"))

    server = stage(validated(app))
    server.app = validated(server.app)
    for _ in range(3):
        server.ask("/a", *lines, method=method)


# Requests.


def test_input_is_untouched(stage: Callable[..., Server]) -> None:
    """A request with a body reaches the application with the server's own environ, and its input unread."""
    seen: list[WSGIEnvironment] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(4)]

    server = stage(app)
    for lines in [("Content-Length: 9",), ("Transfer-Encoding: chunked",)]:
        environ = server.environ("/a", *lines, method="POST", body=b"body more")
        assert server.serve(environ).reply.body == b"body"
        assert seen[-1] is environ
        assert environ["wsgi.input"].read() == b" more"


def test_target_is_shown_as_it_is_keyed(stage: Callable[..., Server]) -> None:
    """What decodes to one path is one page; an application that looks at the raw target sees no difference either."""
    seen: list[tuple[str, ...]] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append((environ["PATH_INFO"], environ["RAW_URI"], environ["QUERY_STRING"]))
        start_response("200 OK", [HTML])
        return [b"a"]

    server = stage(app)
    assert server.get("/%61/b%2Fc%C3%A9?x=%41&utm_source=y").cache_status == MISS
    assert server.get("/a/b/c%c3%a9?x=%41").cache_status == HIT
    assert seen == [("/a/b/c\xc3\xa9", "/a/b/c%C3%A9?x=%41", "x=%41")]


def test_target_in_absolute_form(stage: Callable[..., Server]) -> None:
    """A server that has made a path of it does not hide it from the policy."""
    server = stage(giving([b"a"]))
    for name in ("RAW_URI", "REQUEST_URI"):
        environ = server.environ("/a")
        del environ["RAW_URI"]
        reply = server.serve(environ | {name: "http://evil.example/a"}).reply
        assert reply.cache_status == "fwd=bypass; detail=target"


def test_mounts_are_told_apart(stage: Callable[..., Server]) -> None:
    """The path is that of script and rest together."""
    server = stage(giving([b"a"]))
    mounted = server.environ("/x/a") | {"SCRIPT_NAME": "/x", "PATH_INFO": "/a"}
    assert server.serve(mounted).reply.cache_status == MISS
    assert server.get("/a").cache_status == MISS
    assert server.get("/x/a").cache_status == HIT


@pytest.mark.parametrize("name", ["PATH_INFO", "QUERY_STRING", "HTTP_X_FORWARDED_HOST", "HTTP_\u20acURO"])
def test_text_that_servers_may_not_give(stage: Callable[..., Server], name: str) -> None:
    """Text outside latin-1 has no key; the application gets it as it is, and no visitor gets an error."""
    seen: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ[name])
        start_response("200 OK", [HTML])
        return [b"a"]

    server = stage(app)
    for _ in range(2):
        reply = server.serve(server.environ("/a") | {name: "/\u20ac"}).reply
        assert reply.cache_status == "fwd=bypass; detail=target"
    assert seen == ["/\u20ac"] * 2


def test_admin_body_without_length(stage: Callable[..., Server]) -> None:
    """A chunked body is read where the server ends it, and no further than is allowed."""
    server = stage(giving([]), admin_token="token-of-the-tests")
    for body, status in [(b'{"tags": ["a"]}', 200), (b" " * 100_000, 413)]:
        lines = ("Authorization: Bearer token-of-the-tests", "Transfer-Encoding: chunked")
        environ = server.environ("/_cache/purge", *lines, method="POST")
        environ |= {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
        assert server.serve(environ).reply.status == status


def test_admin_body_that_is_too_long(stage: Callable[..., Server]) -> None:
    """Is not read to its end."""
    server = stage(giving([]), admin_token="token-of-the-tests")
    environ = server.environ("/_cache/purge", method="POST", body=b" " * 1_000_000)
    assert server.serve(environ).reply.status in {401, 413}
    assert environ["wsgi.input"].tell() < 100_000


# Contexts.


def test_context_stays_until_the_body_is_closed(stage: Callable[..., Server]) -> None:
    """What the application sets is there while its body is iterated and closed, and nowhere else; it sees what is set around it."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    token = variable.set(100)
    seen: list[int] = []

    class Counting(Body):
        def __iter__(self) -> Iterator[bytes]:
            token = variable.set(variable.get() + 1)
            yield b"a"
            seen.append(variable.get())
            variable.reset(token)
            yield b"b"

        def close(self) -> None:
            seen.append(variable.get())

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        variable.set(variable.get() + 10)
        start_response("200 OK", [HTML])
        return Counting()

    server = stage(app)
    for target in ("/a", "/b"):
        server.get(target)
    assert seen == [111, 110] * 2
    assert variable.get() == 100
    variable.reset(token)


def test_dependencies_told_while_the_body_is_sent(stage: Callable[..., Server]) -> None:
    """Tags from templates that render late, from fragments there, and from the environ's set are the page's."""

    @fragment("block:{name}")
    def block(name: str) -> bytes:
        return name.encode()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        yield b"a"
        depends_on("late:1")
        environ["cms_cache.tags"].add("set:1")
        yield block("x")

    server = stage(app)
    assert server.get("/a").cache_status == MISS
    for tag in ("late:1", "set:1", "block:x"):
        assert server.get("/a").cache_status == HIT
        server.app.cache.purge_sync(tags=[tag])  # type: ignore[attr-defined]
        assert server.get("/a").cache_status == PURGED


# A render's own requests.


@pytest.mark.parametrize("bearable", [None, 1])
def test_request_inside_a_request(stage: Callable[..., Server], bearable: int | None) -> None:
    """A render may ask for its own page, or another, on its own thread: it waits for nobody, and the tags are the page's."""
    renders: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        renders.append(path)
        start_response("200 OK", [HTML, ("Cache-Tag", f"of:{path[1:]}")])
        depends_on(f"in:{path[1:]}")
        if path == "/outer" and "HTTP_X_PART" not in environ:
            yield server.get("/outer", "X-Part: 1").body
            yield server.get("/inner").body
        yield path.encode()

    server = stage(app, origin_concurrency=bearable)
    reply = server.get("/outer")
    assert (reply.body, reply.cache_status) == (b"/outer/inner/outer", MISS)
    assert renders == ["/outer", "/outer", "/inner"]
    for tag in ("of:inner", "in:inner", "of:outer"):
        assert server.get("/outer").cache_status == HIT
        server.app.cache.purge_sync(tags=[tag])  # type: ignore[attr-defined]
        assert server.get("/outer").cache_status == PURGED


@pytest.mark.logs("served but not stored")
def test_part_whose_tags_cannot_be_told(stage: Callable[..., Server]) -> None:
    """A page is not stored where a part of it has tags that no purge could name."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        inner = environ["PATH_INFO"] == "/inner"
        start_response("200 OK", [HTML, ("Cache-Tag", "a" * 300 if inner else "b")])
        return [b"inner" if inner else server.get("/inner").body]

    server = stage(app)
    assert server.get("/outer").cache_status == "fwd=uri-miss; detail=tags"


def test_fragment_inside_itself(stage: Callable[..., Server]) -> None:
    """Also by way of another one, on one thread, it is rendered and not waited for."""

    @fragment("block:one", ignore=("depth",))
    def one(depth: int) -> str:
        return f"{depth}" + (two(depth - 1) if depth else "")

    @fragment("block:two", ignore=("depth",))
    def two(depth: int) -> str:
        return f"{depth}" + (one(depth - 1) if depth else "")

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        yield one(3).encode()

    server = stage(app)
    assert server.get("/a").body == b"3210"


# Threads.


class Gated:
    """An application whose renders wait for the test, at the place that it names; it counts them."""

    def __init__(self, place: str = "call") -> None:
        self.renders = 0
        self.gate, self.reached = threading.Event(), threading.Semaphore(0)
        self.failing = False
        self._place = place
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Render."""
        with self._lock:
            self.renders += 1
        self._wait("call", environ)
        if self.failing:
            raise ValueError
        start_response("200 OK", [HTML])
        return self._body(environ)

    def _body(self, environ: WSGIEnvironment) -> Iterator[bytes]:
        yield b"a"
        self._wait("body", environ)
        yield b"b"

    def _wait(self, place: str, environ: WSGIEnvironment) -> None:
        if place == self._place and environ["PATH_INFO"] == "/slow":
            self.reached.release()
            assert self.gate.wait(20)


@pytest.mark.parametrize("place", ["call", "body"])
def test_crowd_causes_one_render(stage: Callable[..., Server], place: str) -> None:
    """200 threads that ask at once for a page that nobody has are one render and 200 answers."""
    app = Gated(place)
    server = stage(app)
    flights = server.app.cache.engine.flights  # type: ignore[attr-defined]
    with Threads(200) as begin:
        asked = [begin(server.get, "/slow") for _ in range(200)]
        assert app.reached.acquire(timeout=10)
        assert flights.open == 1
        app.gate.set()
        replies = [reply.result(30) for reply in asked]
    assert {reply.body for reply in replies} == {b"ab"}
    assert app.renders == 1
    told = {reply.cache_status for reply in replies}
    assert told <= {MISS, "fwd=uri-miss; collapsed", HIT}
    assert [reply.cache_status for reply in replies].count(MISS) == 1


def test_failing_render_leaves_nobody_waiting(stage: Callable[..., Server]) -> None:
    """Each of those who ask at once gets the application's own error."""
    app = Gated()
    app.failing = True
    server = stage(app)
    with Threads(40) as begin:
        asked = [begin(server.get, "/slow") for _ in range(40)]
        app.gate.set()
        assert [type(reply.exception(20)) for reply in asked] == [ValueError] * 40


def test_leader_whose_client_goes_leaves_nobody_waiting(stage: Callable[..., Server]) -> None:
    """Those who wait for a page get it although the visitor whose request was being rendered has gone."""
    app = Gated("body")
    server = stage(app)
    leading: Any = server.app(server.environ("/slow"), lambda *_: print)
    assert next(iter(leading)) == b"a"
    with Threads(5) as begin:
        asked = [begin(server.get, "/slow") for _ in range(5)]
        app.gate.set()
        leading.close()
        assert [reply.result(20).body for reply in asked] == [b"ab"] * 5
    assert app.renders == 2


@pytest.mark.parametrize("place", ["call", "body"])
def test_hits_do_not_wait_for_renders(stage: Callable[..., Server], place: str) -> None:
    """While a render hangs and others wait for it, pages from memory are answered on the same threads as ever."""
    app = Gated(place)
    server = stage(app)
    server.get("/warm")
    with Threads(20) as begin:
        hanging = [begin(server.get, "/slow") for _ in range(10)]
        assert app.reached.acquire(timeout=10)
        hits = [begin(server.get, "/warm").result(5).cache_status for _ in range(100)]
        app.gate.set()
        assert {reply.result(20).body for reply in hanging} == {b"ab"}
    assert all(hit.startswith("hit") for hit in hits)


def test_no_lock_is_held_while_the_application_renders(
    stage: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hence no hit can wait for a render, whatever locks it takes: on the way into the application all are free."""
    locks: list[Watched] = []
    real = threading.Lock

    class Watched:
        """A lock that knows its owner."""

        def __init__(self) -> None:
            self._lock, self.owner = real(), 0
            locks.append(self)

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            taken = self._lock.acquire(blocking, timeout)
            if taken:
                self.owner = threading.get_ident()
            return taken

        def release(self) -> None:
            self.owner = 0
            self._lock.release()

        def __enter__(self) -> bool:
            return self.acquire()

        def __exit__(self, *_: object) -> None:
            self.release()

    held: list[object] = []

    def note() -> None:
        held.extend(lock for lock in locks if lock.owner == threading.get_ident())

    @fragment("block:x")
    def block() -> bytes:
        note()
        return b"x"

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        note()
        start_response("200 OK", [HTML])
        yield block()
        note()

    with monkeypatch.context() as patched:
        patched.setattr("threading.Lock", Watched)
        server = stage(app)
    assert server.get("/a").cache_status == MISS
    assert len(locks) > 5
    assert held == []


# Refreshing.


@pytest.mark.parametrize("multithread", [True, False], ids=["threads", "one thread"])
def test_refresh_keeps_the_server_s_word(stage: Callable[..., Server], clock: Clock, multithread: bool) -> None:
    """A stale page is rendered anew beside the requests, or, where the application has one thread, on it after the answer."""
    renders: list[tuple[int, str, bytes]] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        renders.append((threading.get_ident(), environ.get("HTTP_COOKIE", ""), environ["wsgi.input"].read()))
        start_response("200 OK", [HTML, ("Cache-Control", "max-age=10, stale-while-revalidate=60")])
        return [b"%d" % len(renders)]

    server = stage(app, server={"multithread": multithread})
    server.get("/a")
    clock.advance(20)
    environ = server.environ("/a", "Cookie: csrftoken=1") | {"wsgi.input": io.BytesIO(b"the next request")}
    given: Any = server.app(environ, lambda *_: print)
    assert list(given) == [b"1"]
    if not multithread:
        assert len(renders) == 1
        given.close()
        given.close()
    drive(server.app.cache.runtime.finish())  # type: ignore[attr-defined]
    assert server.get("/a").body == b"2"
    here = renders[1][0] == threading.get_ident()
    assert here is not multithread
    assert renders[1][1:] == ("", b"")


def test_failing_refresh(stage: Callable[..., Server], clock: Clock) -> None:
    """A refresh that raises leaves the stale page, and the next visitor to cause another."""
    renders: list[int] = []

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        renders.append(1)
        if len(renders) == 2:
            raise ValueError
        start_response("200 OK", [HTML, ("Cache-Control", "max-age=10, stale-while-revalidate=60")])
        return [b"%d" % len(renders)]

    server = stage(app)
    server.get("/a")
    clock.advance(20)
    for body in (b"1", b"1", b"3"):
        assert server.get("/a").body == body
        drive(server.app.cache.runtime.finish())  # type: ignore[attr-defined]


# Processes.


def test_several_applications_in_one_interpreter(stage: Callable[..., Server]) -> None:
    """Each has its own pages and its own fragments, and a purge of one is not one of the other."""
    renders: list[str] = []

    @fragment("block:x")
    def block() -> str:
        renders.append("block")
        return "x"

    def named(name: str) -> WSGIApplication:
        def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            renders.append(name)
            start_response("200 OK", [HTML])
            return [f"{name} {block()}".encode()]

        return app

    one, two = stage(named("one"), namespace="one"), stage(named("two"), namespace="two")
    for _ in range(2):
        assert (one.get("/a").body, two.get("/a").body) == (b"one x", b"two x")
    assert renders == ["one", "block", "two", "block"]
    one.app.cache.purge_sync(tags=["block:x"])  # type: ignore[attr-defined]
    assert (one.get("/a").cache_status, two.get("/a").cache_status) == (PURGED, HIT)


def test_everything_ends(stage: Callable[..., Server]) -> None:
    """After `close` no thread of ours is left; the site goes on without its cache."""
    server = stage(giving([b"a" * 100]))
    server.get("/a")
    server.get("/a")
    server.app.cache.close()  # type: ignore[attr-defined]
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("cms-cache")], "no thread is left")
    assert server.get("/a").status == 200
