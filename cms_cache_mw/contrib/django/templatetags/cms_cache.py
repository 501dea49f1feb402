"""Template tags: `{% cms_cache "block:menu" site.id %} … {% endcms_cache %}` and `{% cache_tag page "menu:1" %}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.conf import settings
from django.db.models import Model
from django.utils.safestring import mark_safe

from cms_cache_mw.collecting import depends_on
from cms_cache_mw.contrib.django.kinds import kind_of
from cms_cache_mw.core.tags import spelled
from cms_cache_mw.fragments.decorator import at_hand
from cms_cache_mw.fragments.namespaces import simple_key

if TYPE_CHECKING:
    from collections.abc import Iterator

register = template.Library()


@register.simple_tag
def cache_tag(*things: object) -> str:
    """Make what is rendered depend on rows (all that is in them) and on tags given as text; prints nothing."""
    depends_on(*(tag for thing in things for tag in _tags(thing)))
    return ""


@register.tag("cms_cache")
def compiled(parser: Any, token: Any) -> _Fragment:  # noqa: ANN401 - Django's own
    """`{% cms_cache NAME… tags=… ttl=… %}`: the body, rendered once for each name, which is its words joined by colons."""
    given = token.split_contents()[1:]
    options = template.base.token_kwargs([word for word in given if word.startswith(("tags=", "ttl="))], parser)
    words = [word for word in given if not word.startswith(("tags=", "ttl="))]
    if not words:
        raise template.TemplateSyntaxError('cms_cache takes a name: {% cms_cache "block:menu" site.id ttl=300 %}')
    body = parser.parse(("endcms_cache",))
    parser.delete_first_token()
    return _Fragment([parser.compile_filter(word) for word in words], options, body)


class _Fragment(template.Node):
    """The node; whatever its body shows has to be told apart by its name."""

    def __init__(self, words: list[Any], options: dict[str, Any], body: Any) -> None:  # noqa: ANN401 - Django's own
        self.words, self.options, self.nodelist = words, options, body

    def render(self, context: Any) -> str:  # noqa: ANN401 - Django's own
        """The body, from the cache where it is there."""
        namespaces, request = at_hand(), context.get("request")
        if namespaces is None or _somebody(request):
            return str(self.nodelist.render(context))
        name = ":".join(str(getattr(word := part.resolve(context), "pk", word)) for part in self.words)
        options = {key: value.resolve(context) for key, value in self.options.items()}
        tags = tuple(tag for tag in _flat(options.get("tags", ())) for tag in _tags(tag))
        ttl = None if options.get("ttl") is None else float(options["ttl"])
        order = namespaces.order(spelled(name), simple_key(name), tags, ttl, str)
        text = namespaces.fragments.rendered_here(order, lambda: self._body(context, request))
        return str(mark_safe(text))  # noqa: S308 - it was rendered by a template

    def _body(self, context: Any, request: Any) -> str:  # noqa: ANN401 - Django's own
        """The body, which is its visitor's own if it holds a CSRF token."""
        meta = {} if request is None else request.META
        before = meta.pop("CSRF_COOKIE_NEEDS_UPDATE", None)
        text = str(self.nodelist.render(context))
        if meta.get("CSRF_COOKIE_NEEDS_UPDATE"):
            depends_on(private=True)
        elif before is not None:
            meta["CSRF_COOKIE_NEEDS_UPDATE"] = before
        return text


def _somebody(request: Any) -> bool:  # noqa: ANN401 - Django's own
    """Whether the page is rendered for one visitor, or shows a draft."""
    if request is None:
        return False
    return settings.SESSION_COOKIE_NAME in request.COOKIES or bool(getattr(request, "is_preview", False))


def _flat(tags: object) -> list[Any]:
    """Tags given as text, separated by blanks, or as a list."""
    if isinstance(tags, str):
        return tags.split()
    return list(tags) if isinstance(tags, (list, tuple, set)) else [tags]


def _tags(thing: object) -> Iterator[str]:
    if isinstance(thing, Model):
        if kind := kind_of(type(thing)):
            yield from {kind.shown(thing.pk), kind.read(thing.pk)}
    elif thing:
        yield spelled(str(thing))
