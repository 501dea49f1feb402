"""The newsroom for half an hour, with everything that happens to a site: what grows, leaks or fails in that time is a bug."""
