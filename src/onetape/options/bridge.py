"""The options of a gateway's bridge to ccxt, and its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.errors import NotAvailable
from onetape.model.sections import AccountConfig, Config, VenueConfig
from onetape.security.secrets import read_secret
from onetape.venues.ccxt.facts import facts_of

__all__ = ["CCXT", "CCXT_VERSION", "BridgeOptions", "bridge_of", "bridge_python", "simulated_kind"]

CCXT: Final = "ccxt:"  # prefix of kinds that use the bridge
CCXT_VERSION: Final = "4.5.90"  # version that was read and tested


class BridgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options with which a gateway starts its bridge. Its repr shows no secret."""

    python: str  # Python with ccxt installed
    demo: bool = False  # the venue's test system
    password: str = ""  # third secret of some venues

    def __repr__(self) -> str:
        return f"BridgeOptions(python={self.python!r}, demo={self.demo!r})"


def bridge_python(chosen: str, home: Path) -> str:
    """Returns the Python of the bridge's environment: the configured one, else that of `<home>/bridge`. Raises
    NotAvailable with what to do."""
    python = Path(chosen) if chosen else home / "bridge" / "bin" / "python"
    if not python.exists():
        raise NotAvailable(
            "the bridge to ccxt has no environment",
            location=str(python),
            todo=f"python3 -m venv {home / 'bridge'} && {home / 'bridge'}/bin/pip install ccxt=={CCXT_VERSION}",
        )
    return str(python)


def bridge_of(
    config: Config, account: AccountConfig, venue: VenueConfig, *, home: Path, folder: Path, environ: Mapping[str, str]
) -> BridgeOptions | None:
    """Makes the options of an account's bridge; None for a venue that needs none. folder: base of relative paths in the
    configuration. Raises NotAvailable, BadConfig, PermissionDenied."""
    if not venue.kind.startswith(CCXT):
        return None
    chosen = str(folder / config.bridge.python) if config.bridge.python else ""
    password = read_secret(account.password, environ, folder=folder) if account.password else None
    return BridgeOptions(
        python=bridge_python(chosen, home), demo=venue.mode == "demo", password=password.reveal() if password else ""
    )


def simulated_kind(kind: str) -> str:
    """Returns the kind that `onetape sim` simulates for an account's kind. Raises NotAvailable if there is none."""
    if not kind.startswith(CCXT):
        return kind
    found = facts_of(kind.removeprefix(CCXT)).simulated
    if not found:
        raise NotAvailable(f"there is no simulated exchange for {kind}", todo="mode = demo or live")
    return found
