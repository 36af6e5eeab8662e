"""Where the programs of this folder work: in a clone its build folder, of an installed package the user's cache. Not a
figure itself."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IS_CLONE = (ROOT / "pyproject.toml").is_file()
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onetape"
PLACE = (ROOT / "build" if IS_CLONE else _CACHE) / "bench"
