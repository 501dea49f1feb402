"""Jinja: parts of templates as fragments, and templates as dependencies.

`CacheExtension` brings the tag

    {% cache "block:menu:" ~ site.id, tags=["menu:1"], ttl=300 %} … {% endcache %}

whose body is rendered where the fragment is not there. The name has to tell apart whatever the body shows, as any key.

`TemplateTags` makes what is rendered depend on `template:NAME` for each template it is made of, however it is reached: rendered,
extended, included or imported. Nobody walks a graph when `template_changed(NAME)` is called: the page has the tag itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.ext import Extension

from cms_cache_mw.collecting import depends_on
from cms_cache_mw.core.tags import spelled
from cms_cache_mw.fragments.decorator import at_hand
from cms_cache_mw.fragments.namespaces import simple_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jinja2 import Environment, Template
    from jinja2.parser import Parser

OPTIONS = frozenset({"tags", "ttl"})


class CacheExtension(Extension):
    """`{% cache NAME, tags=[…], ttl=… %}` for synchronous and asynchronous environments, nested at will."""

    tags = {"cache"}  # noqa: RUF012 - Jinja's own

    def parse(self, parser: Parser) -> nodes.Node:
        """The tag as a call of `_rendered` with its body as the caller."""
        line = next(parser.stream).lineno
        name = parser.parse_expression()
        options = []
        while parser.stream.skip_if("comma"):
            option = parser.stream.expect("name")
            if option.value not in OPTIONS:
                raise TemplateSyntaxError(
                    f"cache takes a name, tags=[…] and ttl=…, not {option.value!r}", option.lineno, parser.name
                )
            parser.stream.expect("assign")
            options.append(nodes.Keyword(option.value, parser.parse_expression()))
        body = parser.parse_statements(("name:endcache",), drop_needle=True)
        call = self.call_method("_rendered", [name], options)
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _rendered(
        self,
        name: object,
        tags: Iterable[str] = (),
        ttl: float | None = None,
        *,
        caller: Callable[[], Any],
    ) -> Any:  # noqa: ANN401 - text, or to be awaited
        namespaces = at_hand()
        if namespaces is None:
            return caller()
        text = str(name)
        order = namespaces.order(spelled(text), simple_key(text), tuple(tags), ttl, None)
        if self.environment.is_async:
            return namespaces.fragments.rendered(order, caller)
        return namespaces.fragments.rendered_here(order, caller)


class TemplateTags(Extension):
    """Adds `template:NAME` to what is rendered, for each template with a name that it is made of."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        plain = environment.template_class
        join_path = environment.join_path

        class Noted(plain):  # type: ignore[misc, valid-type]
            """A template that says so when it is rendered or included."""

            def new_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Jinja's own
                """What Jinja makes at the start of each rendering."""
                _note(self)
                return super().new_context(*args, **kwargs)

        def joined(template: str, parent: str) -> str:
            """Asked by Jinja whenever one template extends, includes or imports another, also where that is at hand."""
            name = join_path(template, parent)
            depends_on(spelled(f"template:{name}"))
            return name

        environment.template_class = Noted
        environment.join_path = joined  # type: ignore[method-assign]


def _note(template: Template) -> None:
    if template.name:
        depends_on(spelled(f"template:{template.name}"))
