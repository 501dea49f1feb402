"""Authors and their books."""

from __future__ import annotations

from django.db import models


class Author(models.Model):
    """Somebody who writes."""

    name = models.CharField(max_length=80)


class Book(models.Model):
    """A book."""

    title = models.CharField(max_length=80)
    text = models.TextField()
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
