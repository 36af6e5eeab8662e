"""Where the bridge's environment is, and how it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from onetape.model.errors import NotAvailable

__all__ = ["CCXT_VERSION", "BridgeOptions", "bridge_python"]

CCXT_VERSION: Final = "4.5.90"  # the one whose classes were read, and that the tests run


class BridgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway needs to start its bridge. Its text shows no secret."""

    python: str  # of an environment that has ccxt
    demo: bool = False  # the venue's test system
    password: str = ""  # a third secret that some venues have

    def __repr__(self) -> str:
        return f"BridgeOptions(python={self.python!r}, demo={self.demo!r})"


def bridge_python(given: str, home: Path) -> str:
    """The Python of the bridge's environment: the one that the configuration names, else that of
    `<home>/bridge`. Raises NotAvailable with what to do."""
    python = Path(given) if given else home / "bridge" / "bin" / "python"
    if not python.exists():
        raise NotAvailable(
            "the bridge to ccxt has no environment",
            where=str(python),
            todo=f"python3 -m venv {home / 'bridge'} && {home / 'bridge'}/bin/pip install "
            f"ccxt=={CCXT_VERSION}",
        )
    return str(python)
