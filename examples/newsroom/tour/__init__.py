"""The tour of the newsroom behind its cache: what `make demo` starts, asks, edits, breaks and mends."""
