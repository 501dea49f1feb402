"""Careless variants: rules taken out of the package one at a time, each of which an attack has to notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cms_cache_mw.core import cookies, fields, freshness, keys, policy, rules, storing, vary
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from cms_cache_mw.core.message import Fields, Head, Request
    from cms_cache_mw.core.rules import Rules


def _without_rule(**changed: object) -> Callable[[pytest.MonkeyPatch], None]:
    """The default rules with some of them changed."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr("cms_cache_mw.config.CMS", replace(rules.CMS, **changed))

    return plant


def _session_cookies_ignored(patch: pytest.MonkeyPatch) -> None:
    """Every cookie counts as analytics."""
    patch.setattr(cookies.Cookies, "sort", lambda *_: cookies.Jar())


def _cookies_kept_from_the_key_alone(patch: pytest.MonkeyPatch) -> None:
    """Ignored cookies are left out of the key, and the application sees them."""
    patch.setattr(keys, "_with_cookies", lambda shown, _: shown)


def _query_kept_from_the_key_alone(patch: pytest.MonkeyPatch) -> None:
    """Ignored parameters are left out of the key, and the application sees them."""
    sound = keys.Keys.ask

    def ask(self: keys.Keys, request: Request) -> keys.Asked | keys.Refused:
        asked = sound(self, request)
        if isinstance(asked, keys.Asked):
            return replace(asked, request=replace(asked.request, query=request.query))
        return asked

    patch.setattr(keys.Keys, "ask", ask)


def _fields_unkeyed(patch: pytest.MonkeyPatch) -> None:
    """Forwarding and partial-page fields are not part of the key."""
    patch.setattr(keys, "_told_apart", lambda *_: ())


def _underscores_shown(patch: pytest.MonkeyPatch) -> None:
    """A render sees fields that frameworks take for others."""
    patch.setattr(policy, "seen", lambda shown: shown)


def _host_believed(patch: pytest.MonkeyPatch) -> None:
    """A host that is none, or one of two, is left out of the key and passed on."""
    sound = keys.Keys.ask

    def ask(self: keys.Keys, request: Request) -> keys.Asked | keys.Refused:
        shown = tuple(field for field in request.fields if field[0] != b"host")
        asked = sound(self, replace(request, fields=((b"host", b"site.test"), *shown)))
        return replace(asked, request=request) if isinstance(asked, keys.Asked) else asked

    patch.setattr(keys.Keys, "ask", ask)


def _path_normalised(patch: pytest.MonkeyPatch) -> None:
    """The key is the path without what looks like a file's extension."""
    sound = keys.Keys.ask

    def ask(self: keys.Keys, request: Request) -> keys.Asked | keys.Refused:
        if request.path.endswith((b".css", b".js", b".png")):
            request = request.without({b"cookie"})
        return sound(self, request)

    patch.setattr(keys.Keys, "ask", ask)


def _files_public(patch: pytest.MonkeyPatch) -> None:
    """What looks like a file is stored whatever it says."""
    sound = storing._directive_refusal

    def refusal(request: Request, head: Head, by: Rules, rule: freshness.Control) -> Reason | None:
        return None if request.path.endswith((b".css", b".js", b".png")) else sound(request, head, by, rule)

    patch.setattr(storing, "_directive_refusal", refusal)


def _errors_stored(patch: pytest.MonkeyPatch) -> None:
    """Any status is stored, errors too."""
    patch.setattr(storing, "_status_refusal", lambda *_: None)


def _bodies_passed(patch: pytest.MonkeyPatch) -> None:
    """A request with a body is one like any other, and the render sees the body."""
    patch.setattr(policy, "_notable", lambda guarded: guarded)
    sound = policy.bypass

    def bypass(request: Request, by: Rules) -> Reason | None:
        reason = sound(request, by)
        return None if reason is Reason.BODY else reason

    patch.setattr(policy, "bypass", bypass)
    patch.setattr("cms_cache_mw.asgi.Bodiless", lambda receive: receive)


def _tags_left(patch: pytest.MonkeyPatch) -> None:
    """Answers that are not stored keep their tags."""
    for place in ("cms_cache_mw.core.policy", "cms_cache_mw.recorder", "cms_cache_mw.asgi"):
        patch.setattr(f"{place}.relayed", _as_it_is)


def _as_it_is(shown: Fields, _: Rules) -> Fields:
    return shown


def _star_alone(patch: pytest.MonkeyPatch) -> None:
    """Vary says that it cannot be compared only where it is a star and nothing else."""

    def names(head: Head, _: Rules) -> tuple[bytes, ...] | None:
        return None if head.lines(b"vary") == [b"*"] else ()

    patch.setattr(vary, "names", names)


def _letter_case(patch: pytest.MonkeyPatch) -> None:
    """Directives count in lower case alone."""

    def directives(lines: list[bytes]) -> fields.Directives:
        return {member.partition(b"=")[0]: (None,) for line in lines for member in line.split(b", ")}

    patch.setattr(freshness, "directives", directives)
    _without_rule(wary=False)(patch)


def _nothing_stored(patch: pytest.MonkeyPatch) -> None:
    """A cache that is safe by never storing anything."""
    patch.setattr(policy, "settle", lambda *_, **__: Reason.NO_STORE)


CARELESS: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "leak: session cookies are ignored": _session_cookies_ignored,
    "leak: credentials are nobody's": _without_rule(bypass=frozenset()),
    "leak: Set-Cookie is stored": _without_rule(set_cookie=True),
    "leak: private counts where it can be parsed": _without_rule(wary=False),
    "leak: private counts in lower case": _letter_case,
    "leak: Vary is compared as a whole": _star_alone,
    "leak: tags reach the client": _tags_left,
    "poisoning: ignored cookies are shown": _cookies_kept_from_the_key_alone,
    "poisoning: ignored parameters are shown": _query_kept_from_the_key_alone,
    "poisoning: fields are not keyed": _fields_unkeyed,
    "poisoning: underscores pass": _underscores_shown,
    "poisoning: any Host is the first one": _host_believed,
    "poisoning: bodies pass": _bodies_passed,
    "deception: files need no session": _path_normalised,
    "deception: files are public": _files_public,
    "cpdos: errors are stored": _errors_stored,
    "kept: nothing is": _nothing_stored,
}
"""By class and what is wrong; a check of that class has to fail."""
