"""The plugin of passages."""

from __future__ import annotations

from cms.plugin_base import CMSPluginBase
from cms.plugin_pool import plugin_pool
from almanac.models import Passage


@plugin_pool.register_plugin
class PassagePlugin(CMSPluginBase):
    """Shows a passage."""

    model = Passage
    name = "Passage"
    render_template = "almanac/passage.html"
