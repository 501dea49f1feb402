"""`cms-cache`: what operators and editors type. It speaks HTTP to the admin endpoints and decides nothing."""

from __future__ import annotations

import sys
from typing import Final

NEEDED: Final = ("click", "rich")


def main() -> None:
    """Run the command line; without its packages say in one line which extra brings them."""
    try:
        from cms_cache_mw.cli.commands import commands  # noqa: PLC0415
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in NEEDED:
            raise
        sys.stderr.write(f"cms-cache needs {missing}: pip install 'cms_cache_mw[cli]'\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    commands(prog_name="cms-cache")
