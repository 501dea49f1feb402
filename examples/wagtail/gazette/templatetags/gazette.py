"""The menu of a name."""

from __future__ import annotations

from django import template
from gazette.models import Menu

register = template.Library()


@register.simple_tag
def menu(title: str) -> Menu | None:
    """The menu that has this title."""
    return Menu.objects.filter(title=title).first()
