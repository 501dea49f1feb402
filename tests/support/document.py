"""The blocks of code in a page of the documentation, and whether its commands name what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import click
import msgspec

from cms_cache_mw.admin.table import ENDPOINTS
from cms_cache_mw.cli.commands import commands
from cms_cache_mw.config import _HINTS, OF_THE_COMMAND_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "decisions")]

_BLOCK = re.compile(r"^```([\w+]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNED = re.compile(r"\w+=\S*")
_SERVERS = {"granian", "uvicorn", "gunicorn", "waitress-serve", "hypercorn"}
_TRUSTED = {".", "eval", "wc", "grep", "git", "cd", "pre-commit"}
"""Other people's commands, which stay what they are."""


class Block(NamedTuple):
    """A block of code: its language and its text."""

    kind: str
    text: str


def blocks(page: Path, *kinds: str) -> list[Block]:
    """The blocks of a page in these languages, or all."""
    found = [Block(*block) for block in _BLOCK.findall(page.read_text())]
    return [block for block in found if not kinds or block.kind in kinds]


def command_lines(text: str) -> Iterator[list[str]]:
    """The words of each command in a block of shell, without comments and variables set before it."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        words = shlex.split(line, comments=True)
        yield from _parts(words)


def _parts(words: list[str]) -> Iterator[list[str]]:
    """The commands of a line that are joined by pipes or `&&`, or given to `eval`."""
    part: list[str] = []
    for word in [*words, "|"]:
        if word in {"|", "&&", "&"}:
            while part and _ASSIGNED.fullmatch(part[0]):
                del part[0]
            if part:
                yield part
            part = []
        else:
            part.append(word)


def doubt(words: list[str]) -> str:
    """What is wrong with a command; empty where it names what there is."""
    name, *rest = words
    name = name.removeprefix(".venv/bin/")
    if name == "make":
        targets = [word for word in rest if "=" not in word]
        return next((f"no target {target}" for target in targets if target not in _targets()), "")
    if name == "cms-cache":
        return _of_the_command_line(rest)
    if name in {"python", "python3"} and rest[:1] == ["-m"]:
        found = (ROOT / rest[1].replace(".", "/")).with_suffix(".py").exists() or (
            ROOT / rest[1].replace(".", "/")
        ).is_dir()
        return "" if found or rest[1] in {"venv", "pip"} else f"no module {rest[1]}"
    if name == "pip":
        return _of_extras(rest)
    if name == "export":
        return _of_variables(rest)
    if name == "curl":
        return _of_addresses(rest)
    if name in _SERVERS:
        known = _flags(name)
        return next((f"{name} has no {word}" for word in rest if word.startswith("-") and word not in known), "")
    return "" if name in _TRUSTED else f"nobody knows whether {name} is right"


@cache
def _targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def _flags(program: str) -> frozenset[str]:
    """The options of a server, as its help lists them."""
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or program
    told = subprocess.run([found, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    return frozenset(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", told))


def _of_the_command_line(words: list[str]) -> str:
    command = commands.commands.get(words[0]) if words else None
    if command is None:
        return f"no command {words[:1]}"
    known = {option for param in command.params if isinstance(param, click.Option) for option in param.opts}
    return next((f"no option {word}" for word in words if word.startswith("--") and word not in known), "")


def _of_extras(words: list[str]) -> str:
    text = (ROOT / "pyproject.toml").read_text()
    extras = set(re.findall(r"^(\w+) = \[", text.partition("[project.optional-dependencies]")[2], re.MULTILINE))
    asked = {extra for word in words for part in re.findall(r"\[(.+)\]", word) for extra in part.split(",")}
    return f"no extra {asked - extras}" if asked - extras else ""


def _of_variables(words: list[str]) -> str:
    for name in (word.partition("=")[0] for word in words):
        option = name.removeprefix("CMS_CACHE_").lower()
        if name.startswith("CMS_CACHE_") and option not in _HINTS and name not in OF_THE_COMMAND_LINE:
            return f"no variable {name}"
    return ""


def _of_addresses(words: list[str]) -> str:
    """Whether each address below `/_cache` is an endpoint that can be asked this."""
    body = words[words.index("-d") + 1] if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
    for address in map(urlsplit, words):
        path = address.path.removeprefix("/_cache")
        if not address.scheme.startswith("http") or path in {address.path, "/"}:
            continue
        row = next((row for row in ENDPOINTS if row.method == method and row.pattern.fullmatch(path)), None)
        if row is None:
            return f"no endpoint {method} {path}"
        unknown = {name for name, _ in parse_qsl(address.query)} - set(row.asks.__struct_fields__)
        if unknown:
            return f"{path} has no {unknown}"
        try:
            if body is not None:
                msgspec.json.decode(body, type=row.asks)
        except msgspec.MsgspecError as error:
            return f"{path}: {error}"
    return ""
