"""A real browser, driven through its DevTools protocol: what it sends, and what it gets, as it crosses the wire."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, Self

from tests.support.process import Process

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0


def executable() -> str | None:
    """A Chromium or Chrome that is installed, or `None`."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(slots=True)
class Exchange:
    """A request for a page that the browser sent, and its answer."""

    asked: dict[str, str] = field(default_factory=dict)
    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)


_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""The browser reads commands from descriptor 3 and writes to descriptor 4."""


class _Pipe:
    """A browser process, and messages to and from it."""

    def __init__(self, command: list[str], log: Path) -> None:
        commands, self._commands = _pipe()
        self._events, events = _pipe()
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(commands), str(events), *command]
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                launch, stdout=output, stderr=output, pass_fds=(commands, events), start_new_session=True
            )
        Process.leash().hold(self._popen.pid)
        os.close(commands)
        os.close(events)
        self._received = b""

    def send(self, message: object) -> None:
        """Give a command."""
        os.write(self._commands, json.dumps(message).encode() + b"\0")

    def receive(self) -> Any:  # noqa: ANN401 - JSON
        """The next answer or event."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._events], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser says nothing"
            chunk = os.read(self._events, 65_536)
            assert chunk, "the browser has ended"
            self._received += chunk
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        """Kill the browser."""
        os.close(self._commands)
        os.close(self._events)
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(10)
        Process.leash().release(self._popen.pid)


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of the first ten."""
    return tuple(_moved(end) for end in os.pipe())  # type: ignore[return-value]


def _moved(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


class Browser:
    """One tab of a headless browser; all hosts under `.test` are this machine."""

    def __init__(self, folder: Path) -> None:
        path = executable()
        assert path is not None
        switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        switches += [
            "--disable-background-networking",
            "--disable-component-update",
            "--host-resolver-rules=MAP *.test 127.0.0.1",
        ]
        switches += ["--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        self._pipe = _Pipe([path, *switches], folder / "log")
        self._numbers = count(1)
        self._session: str | None = None
        self._exchanges: dict[str, Exchange] = {}
        self._wired: set[str] = set()
        """Requests whose fields are yet to be told."""
        self._shown = 0
        (page,) = [each for each in self._call("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        attached = self._call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()

    def visit(self, url: str) -> list[Exchange]:
        """Follow a link; what that sent, when the page is shown."""
        return self._while_it_loads("Page.navigate", url=url)

    def reload(self, *, hard: bool = False) -> list[Exchange]:
        """The reload button, with Shift held down if `hard`."""
        return self._while_it_loads("Page.reload", ignoreCache=hard)

    def back(self) -> list[Exchange]:
        """The back button."""
        history = self._call("Page.getNavigationHistory")
        entry = history["entries"][history["currentIndex"] - 1]
        return self._while_it_loads("Page.navigateToHistoryEntry", entryId=entry["id"])

    def text(self, selector: str = "body") -> str:
        """What the page says, or the first element of it that a selector finds."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def run(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """The value of an expression in the page, once it is settled."""
        found = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def type(self, selector: str, text: str) -> None:
        """Put the keyboard into an element and type."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key that has a name, such as Tab or Enter."""
        code = {"Tab": 9, "Enter": 13}[key]
        pressed: dict[str, object] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, **pressed, **({"text": "\r"} if key == "Enter" else {}))

    def click(self, selector: str) -> None:
        """Click on an element."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def show(self, *, width: int, height: int, scheme: Literal["light", "dark"] = "light", phone: bool = False) -> None:
        """Be a screen of this size and scheme."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1.5, mobile=phone
        )
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self) -> bytes:
        """What is shown, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _while_it_loads(self, method: str, **parameters: object) -> list[Exchange]:
        self._exchanges.clear()
        self._wired.clear()
        shown = self._shown
        self._call(method, **parameters)
        # What was on the wire is told apart from the rest, and may be told after the page is shown.
        while self._shown == shown or not self._wired <= {id_ for id_, each in self._exchanges.items() if each.status}:
            self._take(self._pipe.receive())
        return [exchange for exchange in self._exchanges.values() if exchange.status]

    def _call(self, method: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        number = next(self._numbers)
        call = {"id": number, "method": method, "params": parameters}
        self._pipe.send(call | ({"sessionId": self._session} if self._session else {}))
        while True:
            message = self._pipe.receive()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._take(message)

    def _take(self, message: Any) -> None:  # noqa: ANN401 - JSON
        """Note what an event tells."""
        told = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._shown += 1
            case "Page.frameNavigated" if told.get("type") == "BackForwardCacheRestore":
                self._shown += 1
            case "Network.responseReceived" if told["hasExtraInfo"] and told["type"] == "Document":
                self._wired.add(told["requestId"])
            case "Network.requestWillBeSentExtraInfo":
                exchange = self._exchanges.setdefault(told["requestId"], Exchange())
                exchange.asked = {name.lower(): value for name, value in told["headers"].items()}
            case "Network.responseReceivedExtraInfo":
                exchange = self._exchanges.setdefault(told["requestId"], Exchange())
                exchange.status = told["statusCode"]
                exchange.fields = {name.lower(): value for name, value in told["headers"].items()}
