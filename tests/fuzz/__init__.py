"""Hostile bytes for everything that reads what others wrote: field parsers, the key builder, the entry decoder, the admin API."""
