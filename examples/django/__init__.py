"""A library of books on plain Django behind the cache: `python -m examples.django`."""
