"""Pages by every way of reading there is."""

from __future__ import annotations

from django.contrib.auth import get_user
from django.db.models import Count, Exists, F, OuterRef, Q
from django.http import Http404, HttpResponse, HttpResponseGone
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from shop.models import Book, Category, Label, Product, Visit


def _said(*words: object) -> HttpResponse:
    return HttpResponse(" ".join(map(str, words)))


def product(request, number):
    Visit.objects.update_or_create(pk=1, defaults={"count": F("count") + 1}, create_defaults={"count": 1})
    found = get_object_or_404(Product.objects.select_related("category"), pk=number)
    return _said(found.name, found.text, found.category.name, *(label.name for label in found.labels.all()))


def category(request, slug):
    found = get_object_or_404(Category, slug=slug)
    return _said(found.name, *(product.name for product in found.products.all()))


def dear(request):
    return _said(*Product.objects.filter(price__gt=10).values_list("name", flat=True))


def counts(request):
    rows = Category.objects.annotate(n=Count("products")).order_by("slug")
    return _said(*(f"{row.slug}={row.n}" for row in rows))


def labelled(request, name):
    return _said(*(product.name for product in Product.objects.filter(labels__name=name)))


def used(request):
    return _said(
        *Label.objects.filter(Exists(Product.objects.filter(labels=OuterRef("pk"), price__gt=10))).order_by("pk")
    )


def either(request):
    both = Product.objects.filter(Q(price=1) | Q(category__slug="toys"))
    plain = Product.objects.order_by()
    return _said(both.count(), both.exists(), plain.filter(price=99).union(plain.filter(price=98)).count())


def window(request):
    return _said(*Product.objects.filter(placement__category__slug="toys").values_list("name", flat=True))


def books(request):
    return _said(*(f"{book.name} by {book.author}" for book in Book.objects.order_by("-price")))


def raw(request):
    return _said(*(row.name for row in Product.objects.raw("SELECT * FROM shop_product WHERE price > 10")))


def form(request):
    return render(request, "form.html")


def whole(request):
    return render(request, "whole.html", {"products": Product.objects.all()})


def fragments(request):
    return render(request, "fragments.html", {"request": request})


def me(request):
    return _said(get_user(request).is_authenticated)


def somebody(request):
    class User:
        is_authenticated = True

    request._cached_user = User()
    return _said("yours alone")


def old(request):
    return redirect("/product/1/", permanent=True)


def gone(request):
    return HttpResponseGone("gone")


async def later(request):
    found = await Product.objects.aget(pk=1)
    return _said(found.name)


def nothing(request):
    raise Http404


urlpatterns = [
    path("product/<int:number>/", product),
    path("category/<slug:slug>/", category),
    path("labelled/<str:name>/", labelled),
    *(
        path(f"{view.__name__}/", view)
        for view in (
            dear,
            counts,
            used,
            either,
            window,
            books,
            raw,
            form,
            whole,
            fragments,
            me,
            somebody,
            old,
            gone,
            later,
        )
    ),
]
