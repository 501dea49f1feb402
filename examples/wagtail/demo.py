"""A real Wagtail site behind the cache, live: `make demo-wagtail`.

The environment: PORT (default 8000; 0 for any free one), CHECK=1 (leave after the tour, with its result), TOUR=0 (serve at once).
"""

from __future__ import annotations

import os
import sys
import tempfile

from examples.newsroom.demo import USAGE, Group, refused, wanted_mode, wanted_port
from examples.newsroom.tour.port import held, number_of


def main() -> int:
    """Show the demonstration; its exit code."""
    try:
        port = wanted_port(os.environ)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    try:
        holder = held(port)
    except OSError as error:
        print(f"error: {refused(port, error)}", file=sys.stderr)
        return USAGE
    group = Group()
    with holder, tempfile.TemporaryDirectory(prefix="gazette-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-W", "ignore", "-m", "examples.wagtail.tour"]
        code = group.run([*command, str(number_of(holder)), folder, wanted_mode(os.environ)])
        return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
