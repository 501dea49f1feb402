"""Templates as dependencies: what is rendered has `template:NAME` for each template it is made of, parents and includes too."""

from __future__ import annotations

from functools import wraps
from hashlib import blake2b
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.template import Template, engines
from django.template.backends.django import DjangoTemplates

from cms_cache_mw.collecting import current
from cms_cache_mw.core.tags import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator


def install() -> None:
    """Let every template say that it is rendered; once is enough."""
    plain: Any = Template._render
    if hasattr(plain, "heard"):
        return

    @wraps(plain)
    def rendered(self: Any, context: Any) -> Any:  # noqa: ANN401 - Django's own
        collector = current()
        if collector is not None and self.name:
            collector.note((spelled(f"template:{self.name}"),), inf)
        return plain(self, context)

    rendered.heard = True  # type: ignore[attr-defined]
    Template._render = rendered


def hashes() -> dict[str, str]:
    """The templates that lie in folders, by name, with hashes of their texts; the first folder that has one counts."""
    found: dict[str, str] = {}
    for folder in _folders():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                found.setdefault(name, blake2b(path.read_bytes(), digest_size=8).hexdigest())
    return found


def _folders() -> Iterator[Path]:
    for backend in engines.all():
        if isinstance(backend, DjangoTemplates):
            for folder in backend.template_dirs:
                yield Path(folder)
