"""Breaks the pure code on purpose, in one place at a time, and sees whether the tests notice: `make mutate`."""
