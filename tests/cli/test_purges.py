"""`cms-cache purges`: who purged what and why, and whether it is done everywhere."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Any

from tests.support.wait import until

if TYPE_CHECKING:
    from tests.support.cli import Shell


def test_for_people(shell: Shell) -> None:
    """A row says number, time, state, who, what and why; of a tag nobody purged, that."""
    shell.run("purge", "block:l1", "--reason", "a new footer")
    row = shell.run("purges", "block:l1").out.splitlines()[1]
    assert "everywhere" in row
    assert "admin" in row
    assert row.index("block:l1") < row.index("a new footer")
    assert "the log has no purge of block:never" in shell.run("purges", "block:never").out


def test_json_and_lines(shell: Shell) -> None:
    """JSON has the newest first, lines the oldest, and as many as wanted."""
    for reason in ("first", "second", "third"):
        shell.run("purge", "block:l2", "--reason", reason)
    found = shell.run("purges", "block:l2", "--limit", "2", "--json").found
    assert [each["reason"] for each in found["purges"]] == ["third", "second"]
    lines = shell.run("purges", "block:l2", "--lines").out.splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["first", "second", "third"]
    assert shell.run("purges", "block:l2", "--who", "nobody", "--json").found == {"purges": []}


def test_direct_ones_are_logged(shell: Shell) -> None:
    """A purge through Redis is in the log under the name of who typed it."""
    shell.run("purge", "block:l3", "--direct", "--reason", "site is down")

    def logged() -> dict[str, Any]:
        (found,) = shell.run("purges", "block:l3", "--json").found["purges"]
        return dict(found)

    # The log tells that it is done once a worker has written down how far all of them are.
    until(lambda: logged()["state"] == "done", "it is done")
    found = logged()
    assert (found["who"], found["reason"]) == (getpass.getuser(), "site is down")
    assert (found["entries"], found["needless"]) == (None, None)
