"""What editors put into placeholders."""

from __future__ import annotations

from cms.models import CMSPlugin
from django.db import models


class Passage(CMSPlugin):
    """A passage of text."""

    text = models.TextField()
