"""The frame of the command line: help, completion, exit codes, what is missing, and text that comes from outside."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, ClassVar

import click
import pytest

from cms_cache_mw.cli.commands import commands
from cms_cache_mw.cli.ending import Ending
from cms_cache_mw.cli.text import count, counted, duration, plain, safe, share, size
from tests.support.cli import Shell
from tests.support.site import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKING = ["purge x:1", "purges", "warm /", "explain /", "tail", "top", "stats"]
"""Commands that ask the site, each as it would be typed."""


class Strange(BaseHTTPRequestHandler):
    """A server that is not the cache: it answers what it was told to."""

    answer: ClassVar[tuple[int, bytes]] = (200, b"<h1>Hello")

    def do_GET(self) -> None:
        """Answer."""
        status, body = self.answer
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def strange() -> Iterator[str]:
    """The address of a server that is not the cache."""
    with HTTPServer(("127.0.0.1", 0), Strange) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("words", ASKING)
def test_nobody_there(words: str) -> None:
    """Every command that asks the site says that nobody answers, and ends with 3."""
    ended = Shell("http://127.0.0.1:1").run(*words.split())
    assert ended.code == 3
    assert "cannot be reached: connection refused" in ended.err
    ended = Shell("http://127.0.0.1:1").run(*words.split(), "--json")
    assert (ended.code, set(ended.found)) == (3, {"error", "field"})


@pytest.mark.parametrize("words", ASKING)
@pytest.mark.parametrize(
    "answer",
    [(200, b"<h1>Hello"), (404, b"no such page"), (502, b""), (200, b"[1]"), (200, b"[" * 100_000)],
    ids=["html", "missing", "gateway", "list", "deep"],
)
def test_somebody_else_there(
    strange: str, words: str, answer: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is not the cache's is told as that, and nothing is believed of it."""
    monkeypatch.setattr(Strange, "answer", answer)
    ended = Shell(strange).run(*words.split())
    assert ended.code == 3
    assert "nothing that the cache's admin endpoints say" in ended.err
    assert ended.out == ""


def test_an_answer_that_promises_nothing(strange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the word `done` is done: JSON of any other kind is not."""
    monkeypatch.setattr(Strange, "answer", (200, b'{"hello": 1}'))
    ended = Shell(strange).run("purge", "x:1")
    assert ended.code == 3
    assert "NOT purged" in ended.out


@pytest.mark.parametrize(
    "address", ["localhost:8000", "ftp://x", "http://", "http://x:99999", "http://u:p@x", "http://x/y"]
)
def test_addresses(address: str) -> None:
    """An address that cannot be meant is refused with one that could."""
    ended = Shell().run("stats", "--server", address)
    assert ended.code == 2
    assert "an address such as http://127.0.0.1:8000" in ended.err.replace("\n", " ")


def test_every_command_has_json() -> None:
    """`--json`, `--server` and `--token` are understood by every command, and each says what it does."""
    for name, command in commands.commands.items():
        options = {option for param in command.params for option in param.opts}
        assert options >= {"--json", "--server", "--token", "--admin-path"}, name
        assert command.help, name
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help or param.metavar, f"{name} {param.name}"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra(missing: str) -> None:
    """Without its packages the command says in one line which extra brings them."""
    program = f"import sys; sys.modules[{missing!r}] = None; from cms_cache_mw.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=30, cwd=ROOT
    )
    assert ended.returncode == 2
    assert ended.stderr == f"cms-cache needs {missing}: pip install 'cms_cache_mw[cli]'\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    """The usual shells are given a script that completes commands and options."""
    ended = Shell().run("completion", shell)
    assert ended.code == 0
    assert "_CMS_CACHE_COMPLETE" in ended.out


def test_what_is_completed() -> None:
    """What the script asks for is answered."""
    environ = {"_CMS_CACHE_COMPLETE": "bash_complete", "COMP_WORDS": "cms-cache pur", "COMP_CWORD": "1"}
    program = "from cms_cache_mw.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=30, cwd=ROOT, env=environ
    )
    assert "plain,purge" in ended.stdout


def test_terminal_is_not_steered() -> None:
    """What visitors and editors wrote reaches the terminal as text, without escape sequences and markup."""
    assert safe("a\x1b[2Jb\u202e\x07") == "a\\x1b[2Jb\\x202e\\x07"
    assert plain("[bold]x").plain == "[bold]x"


def test_numbers() -> None:
    """Numbers are said as people say them."""
    assert [size(0), size(999), size(1_500), size(2.5e9)] == ["0 bytes", "999 bytes", "1.5 KB", "2.5 GB"]
    assert [duration(0.0042), duration(0.3), duration(3), duration(300), duration(9_000), duration(1e6)] == [
        "4.2 ms", "300 ms", "3.0 s", "5 min", "2.5 h", "12 days",
    ]  # fmt: skip
    assert [counted(1, "entry"), counted(2, "entry"), counted(1_000, "page")] == ["1 entry", "2 entries", "1,000 pages"]
    assert [share(1, 8), share(1, 0), count(1e6)] == ["12.5 %", "-", "1,000,000"]


def test_an_error_is_one_json_document() -> None:
    """With `--json` errors are JSON on standard output, too, and nothing else is printed."""
    ended = Shell("http://127.0.0.1:1").run("stats", "--json")
    assert json.loads(ended.out)["error"].startswith("http://127.0.0.1:1 cannot be reached")
    assert ended.err == ""


PAGE = (ROOT / "docs" / "cli.md").read_text()


@pytest.mark.parametrize("name", commands.commands)
def test_page_has_every_option(name: str) -> None:
    """Each command has a section in docs/cli.md that names all its options; and every variable is named."""
    _, found, section = PAGE.partition(f"\n## {name}\n")
    assert found, f"no section {name}"
    section = section.partition("\n## ")[0]
    common = PAGE.partition("\n## Exit codes")[0]
    for param in commands.commands[name].params:
        if isinstance(param, click.Option):
            for option in param.opts:
                assert f"`{option}" in section + common, option
            variables = [param.envvar] if isinstance(param.envvar, str) else param.envvar or ()
            for variable in variables:
                assert f"`{variable}`" in section + common, variable


def test_page_names_no_option_that_is_not_there() -> None:
    """What docs/cli.md has in its tables can be typed."""
    known = {option for command in commands.commands.values() for param in command.params for option in param.opts}
    told = {
        word for line in PAGE.splitlines() if line.startswith("| `-") for word in re.findall(r"`(--?[a-z-]+)", line)
    }
    assert told <= known | {"-h", "--help"}


def test_page_has_every_exit_code() -> None:
    """The table of exit codes has each of them, and no other."""
    table = PAGE.partition("\n## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [
        ending.value for ending in Ending
    ]


@pytest.mark.parametrize("name", ["explain.md", "cli.md"])
def test_commands_in_pages_can_be_typed(name: str) -> None:
    """Each command that a page shows exists, with the options it is shown with."""
    text = (ROOT / "docs" / name).read_text()
    shown = re.findall(r"^\$ cms-cache (.+)$", text, re.MULTILINE) + re.findall(
        r"`cms-cache ([a-z]+ [a-z:0-9/-]+)`", text
    )
    assert shown or name == "cli.md"
    for line in shown:
        words = shlex.split(line)
        command = commands.commands[words[0]]
        known = {option for param in command.params for option in param.opts}
        assert {word for word in words if word.startswith("-")} <= known, line
