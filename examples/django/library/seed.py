"""What is in the library at first."""

from __future__ import annotations

from examples.django.library.models import Author, Book


def fill() -> None:
    """Write two authors with three books each."""
    for name in ("Ada", "Bob"):
        author = Author.objects.create(name=name)
        for number in range(1, 4):
            Book.objects.create(title=f"{name}'s book {number}", text="Once upon a time …", author=author)
