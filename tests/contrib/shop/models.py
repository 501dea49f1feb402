"""Products in categories with labels, and a counter."""

from __future__ import annotations

from django.db import models


class Category(models.Model):
    """A category."""

    name = models.CharField(max_length=40)
    slug = models.SlugField(unique=True)


class Label(models.Model):
    """A label that products share."""

    name = models.CharField(max_length=40)

    class Meta:
        """By name, which orders the labels of every product."""

        ordering = ("name",)


class Product(models.Model):
    """A product."""

    name = models.CharField(max_length=40)
    text = models.TextField(blank=True)
    price = models.IntegerField(default=1)
    category = models.ForeignKey(Category, models.CASCADE, related_name="products")
    labels = models.ManyToManyField(Label)

    class Meta:
        """By name."""

        ordering = ("name",)


class Book(Product):
    """A product with an author, in a table of its own."""

    author = models.CharField(max_length=40)


class Visit(models.Model):
    """A counter, which every page writes."""

    count = models.IntegerField(default=0)


class Placement(models.Model):
    """A product in the window of a category."""

    product = models.ForeignKey(Product, models.CASCADE)
    category = models.ForeignKey(Category, models.CASCADE)
