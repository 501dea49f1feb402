"""Books by authors, with a form to edit them; knows nothing of the cache."""
