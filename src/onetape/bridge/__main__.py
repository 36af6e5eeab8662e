"""Runs the bridge. Python starts this folder by its path; its modules import each other as `onetape.bridge`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def _named() -> None:
    """Registers `onetape` as an empty package with a path, without running the imports of `onetape/__init__.py`."""
    folder = Path(__file__).resolve().parent
    package = ModuleType("onetape")
    package.__path__ = [str(folder.parent)]
    sys.modules.setdefault("onetape", package)
    sys.path[:] = [each for each in sys.path if each != str(folder)]


if __name__ == "__main__":
    _named()
    from onetape.bridge.server import main

    sys.exit(main())
