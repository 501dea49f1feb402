"""What importing the package brings with it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("redis", "click", "rich", "prometheus_client", "starlette", "jinja2", "django", "brotli", "zstandard", "http_sf"),
    *("multiprocessing", "email", "difflib", "ctypes", "importlib.resources", "cms_cache_mw.admin.table"),
)
"""What only some need, or nobody before the first request."""


def loaded(code: str) -> set[str]:
    """The modules that are there once a new interpreter has run this."""
    show = "import sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], check=True, capture_output=True, text=True)
    return set(ran.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    """Neither clients nor tools, nor what reads and writes the fields of few answers, nor the endpoints."""
    assert loaded("import cms_cache_mw").isdisjoint(HEAVY)


@pytest.mark.parametrize("shell", ["CacheMiddleware", "WSGICacheMiddleware"])
def test_endpoints_are_imported_where_a_token_opens_them(shell: str) -> None:
    """A site without a token never pays for the admin endpoints; one with a token has them before its first request."""
    made = "from cms_cache_mw import Config, {0}; app = {0}(print, Config(admin_token={1!r})); app.cache.close()"
    assert "cms_cache_mw.admin.table" not in loaded(made.format(shell, None))
    assert "cms_cache_mw.admin.table" in loaded(made.format(shell, "t" * 40))
