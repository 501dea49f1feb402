"""The library's pages: all authors, one author with their books, one book, and a form that edits it."""

from __future__ import annotations

from django.forms import modelform_factory
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from examples.django.library.models import Author, Book

BookForm = modelform_factory(Book, fields=["title", "text", "author"])


def front(request):
    """Names all authors."""
    return render(request, "front.html", {"authors": Author.objects.order_by("name")})


def author(request, number):
    """Lists the titles of an author's books."""
    return render(request, "author.html", {"author": get_object_or_404(Author, pk=number)})


def book(request, number):
    """Shows a book."""
    return render(request, "book.html", {"book": get_object_or_404(Book.objects.select_related("author"), pk=number)})


def edit(request, number):
    """Edits a book; the page holds a CSRF token and is never stored."""
    form = BookForm(request.POST or None, instance=get_object_or_404(Book, pk=number))
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("book", number)
    return render(request, "edit.html", {"form": form})


urlpatterns = [
    path("", front),
    path("author/<int:number>/", author, name="author"),
    path("book/<int:number>/", book, name="book"),
    path("book/<int:number>/edit/", edit, name="edit"),
]
