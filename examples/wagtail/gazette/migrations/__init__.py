"""Migrations of the gazette."""
