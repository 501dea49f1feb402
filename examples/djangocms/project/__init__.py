"""The project: settings, addresses and the way to serve it."""
