"""`cms-cache completion`: the script by which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cms_cache_mw.cli.call import Call, command


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@command
def completion(call: Call, *, shell: str) -> None:
    r"""Print what makes SHELL complete commands and options.

    In bash: eval "$(cms-cache completion bash)"
    """
    wanted = get_completion_class(shell)
    group = click.get_current_context().find_root().command
    assert wanted is not None
    script = wanted(group, {}, "cms-cache", "_CMS_CACHE_COMPLETE").source()
    if call.as_json:
        call.line({"shell": shell, "script": script})
    else:
        click.echo(script)
