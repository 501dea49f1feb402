"""What is exchanged with an ASGI server: bodies of requests, whole answers, and answers that go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cms_cache_mw.admin.live import EVERY, LASTS
from cms_cache_mw.core.answer import Answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cms_cache_mw.admin.explained import Explained
    from cms_cache_mw.admin.live import Live
    from cms_cache_mw.core.message import Fields
    from cms_cache_mw.recorder import Recorder


async def send_answer(answer: Answer, send: Send) -> None:
    """Send an answer whole."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.fields)})
    for piece in answer.body[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": answer.body[-1] if answer.body else b""})


async def send_live(live: Live, receive: Receive, send: Send) -> None:
    """Send an answer that goes on, line by line, until it is long enough or the client has gone."""
    await send({"type": "http.response.start", "status": live.begun.status, "headers": list(live.begun.fields)})
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        line = b"".join(live.begun.body)
        for _ in range(LASTS):
            await send({"type": "http.response.body", "body": line, "more_body": True})
            await asyncio.wait([gone], timeout=EVERY)
            if gone.done():
                return
            line = await live.line()
        await send({"type": "http.response.body", "body": line})
    finally:
        gone.cancel()


def fields_of(start: Message) -> Fields:
    """The fields that an application sends with its start."""
    return tuple((bytes(name).lower(), bytes(value)) for name, value in start.get("headers", ()))


async def send_explained(app: ASGIApp, told: Answer | Explained, scope: Scope, receive: Receive, send: Send) -> None:
    """Send what a page is told with: the page as a visitor asks for it, with the explanation, or why there is none."""
    if isinstance(told, Answer):
        return await send_answer(told, send)

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(told.fields(fields_of(message)))}
        await send(message)

    visitors = [field for field in scope["headers"] if field[0] not in told.ours]
    return await app({**scope, "headers": visitors}, receive, sent)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def body_of(receive: Receive, most: int) -> bytes | None:
    """A request's body, or `None` where it is longer than `most` bytes or the client went away."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


class Bodiless:
    """The `receive` of a render that others may be shown: a body that the client sent (HTTP/2 announces none) is nowhere in the key.

    The recorder is told once the application has learnt that the client hung up.
    """

    def __init__(self, receive: Receive, recorder: Recorder) -> None:
        self._asked = False
        self._receive, self._recorder = receive, recorder

    async def __call__(self) -> Message:
        """The server's next message, without a body."""
        message = await self._receive()
        while message["type"] == "http.request" and self._asked:
            message = await self._receive()
        if message["type"] == "http.request":
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if message["type"] == "http.disconnect":
            self._recorder.forsaken = True
        return message
