"""What crosses the wire: the cache around an application that answers as a test tells it to, behind real servers."""
