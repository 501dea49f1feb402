"""The command line as somebody types it, in this process, and what it printed and ended with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from cms_cache_mw.cli.commands import commands
from tests.support.site import TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def found(self) -> dict[str, Any]:
        """The JSON object that it printed, and that alone."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class Shell:
    """Types commands for the site at `servers`, with the token of the tests; `environ` holds further variables."""

    def __init__(self, *servers: str, **environ: str) -> None:
        self.environ = {"CMS_CACHE_SERVER": " ".join(servers), "CMS_CACHE_TOKEN": TOKEN} | environ

    def run(self, *words: str, **environ: str) -> Ended:
        """Type a command; whatever it raises is raised here."""
        given: Sequence[str] = words
        ended = CliRunner().invoke(commands, given, env=self.environ | environ, catch_exceptions=False)
        return Ended(ended.exit_code, ended.stdout, ended.stderr)
