"""One call of the command line: the options that every command has, where its answer goes, and how trouble ends it."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

import click
from rich.console import Console
from rich.table import Table

from cms_cache_mw.cli.ending import CommandError, Ending
from cms_cache_mw.cli.remote import Remote, server_of
from cms_cache_mw.cli.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

SERVER: Final = "http://127.0.0.1:8000"
WIDE: Final = 200
"""Columns of what goes into a file or a pipe: lines are not broken there."""


def _console(*, stderr: bool) -> Console:
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=WIDE)


@dataclass(frozen=True)
class Call:
    """Whom to ask, and how to answer: as a page for people, or as JSON."""

    servers: tuple[Remote, ...]
    as_json: bool
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    @property
    def server(self) -> Remote:
        """The server to ask, where one is enough."""
        return self.servers[0]

    def answer(self, found: object, *shown: RenderableType) -> None:
        """Print the JSON, or what is shown instead of it."""
        if self.as_json:
            self.line(found)
        else:
            for part in shown:
                self.out.print(part, soft_wrap=not isinstance(part, Table))

    def line(self, found: object) -> None:
        """Print one JSON document in one line."""
        click.echo(json.dumps(found, ensure_ascii=False, default=str))

    def note(self, text: str) -> None:
        """Say something that is no part of the answer."""
        self.err.print(plain(text, "yellow"), soft_wrap=True)

    def end(self, code: int) -> None:
        """End with a code other than 0 after the answer was printed."""
        if code:
            sys.exit(code)

    def fail(self, error: CommandError) -> NoReturn:
        """Say what was wrong and end."""
        if self.as_json:
            self.line(error.as_json())
        else:
            self.err.print(plain("error: ", "bold red").append_text(plain(error.message)), soft_wrap=True)
        sys.exit(error.ending)


def table(*columns: str, rows: Iterable[Iterable[object]], numbers: Iterable[int] = (), title: str = "") -> Table:
    """A table; the columns at the places `numbers` are set to the right."""
    right = set(numbers)
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", title=title or None)
    found.title_justify, found.title_style = "left", "bold"
    for place, column in enumerate(columns):
        found.add_column(column, justify="right" if place in right else "left", overflow="fold")
    for row in rows:
        found.add_row(*(value if hasattr(value, "__rich_console__") else plain(value) for value in row))
    return found


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a function the options that every command has, and its trouble an exit code."""

    @functools.wraps(function)
    def called(
        *, servers: tuple[str, ...], token: str | None, admin_path: str, as_json: bool, **options: object
    ) -> None:
        call = Call(tuple(Remote(server, token, admin_path) for server in servers), as_json)
        try:
            function(call, **options)
        except CommandError as error:
            call.fail(error)
        except KeyboardInterrupt:
            call.fail(CommandError(Ending.INTERRUPTED, "interrupted"))

    for option in reversed(_OPTIONS):
        called = option(called)
    return called


def _addresses(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(server_of(text) for text in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _path(_: click.Context, __: click.Parameter, given: str) -> str:
    if not given.startswith("/") or any(not char.isprintable() or char.isspace() for char in given):
        raise click.BadParameter(f"{given!r}: a path such as /_cache")
    return given


_OPTIONS: Final = (
    click.option(
        "--server",
        "servers",
        multiple=True,
        envvar="CMS_CACHE_SERVER",
        default=(SERVER,),
        callback=_addresses,
        show_default=True,
        show_envvar=True,
        metavar="ADDRESS",
        help="Where the site answers; explain, stats and doctor ask several, each given with its own --server.",
    ),
    click.option(
        "--token",
        envvar=("CMS_CACHE_TOKEN", "CMS_CACHE_ADMIN_TOKEN"),
        show_envvar=True,
        help="The admin token. Other users of the machine can see the arguments of programs: prefer the environment.",
    ),
    click.option(
        "--admin-path",
        envvar="CMS_CACHE_ADMIN_PATH",
        default="/_cache",
        callback=_path,
        show_default=True,
        show_envvar=True,
        metavar="PATH",
        help="The site's admin_path.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Answer with JSON."),
)
