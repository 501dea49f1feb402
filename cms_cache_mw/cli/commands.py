"""The group of all commands."""

from __future__ import annotations

import click

from cms_cache_mw.cli.completion import completion
from cms_cache_mw.cli.demo import demo
from cms_cache_mw.cli.doctor import doctor
from cms_cache_mw.cli.explain import explain
from cms_cache_mw.cli.purge import purge
from cms_cache_mw.cli.purges import purges
from cms_cache_mw.cli.stats import stats
from cms_cache_mw.cli.tail import tail
from cms_cache_mw.cli.top import top
from cms_cache_mw.cli.warm import warm


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cms_cache_mw", prog_name="cms-cache")
def commands() -> None:
    """Ask and purge a site's cache.

    The exit code of every command is 0 when what was asked for is done, 1 when something was found wrong, 2 for a command
    that cannot be meant, 3 without an answer from the site or Redis, 4 when the token was refused, 5 for a purge that is not
    yet certain, 6 for one that needs --confirm, and 130 after Ctrl-C.
    """


for _each in (purge, purges, warm, explain, tail, stats, top, doctor, demo, completion):
    commands.add_command(_each)
