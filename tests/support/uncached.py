"""The site without a cache in front of it, as worker processes import it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.origin import Origin, Store

app = Origin(Store(Path(os.environ["ORIGIN_STORE"])))
