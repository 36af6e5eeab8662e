"""Checks the layers of the sources: import-linter without the editable install, which names the repository's own folder
as a place of the package, so that in a folder called onetape its tests and tools would be modules of it."""

from __future__ import annotations

import sys
from pathlib import Path

from importlinter.cli import lint_imports

sys.meta_path[:] = [each for each in sys.meta_path if not type(each).__module__.startswith("_editable")]
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.exit(lint_imports(no_cache=True, no_logo=True))
