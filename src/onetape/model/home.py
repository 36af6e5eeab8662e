"""Where a system keeps its files: journals, state tables, runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

__all__ = ["StrPath", "config_beside", "file_name", "home_of", "state_of", "supervisor_journal", "user_cache"]

StrPath = str | os.PathLike[str]


def config_beside(option: StrPath | None = None) -> Path | None:
    """Returns the configuration file: the one that was named, else ./onetape.toml if there is one."""
    if option is not None:
        return Path(option)
    found = Path("onetape.toml")
    return found if found.is_file() else None


def home_of(option: StrPath | None = None, *, config: StrPath | None = None) -> Path:
    """Returns the home that was named, else $ONETAPE_HOME, else .onetape beside the configuration, else in the current
    folder. Absolute; it need not be there yet."""
    if option is not None:
        return Path(option).absolute()
    if named := os.environ.get("ONETAPE_HOME"):
        return Path(named).absolute()
    beside = config_beside(config)
    return (beside.parent if beside else Path()).absolute() / ".onetape"


def file_name(name: bytes) -> str:
    """Returns the name of a file for any name: two never share one, and none leaves its folder. Letters, digits, `_`,
    `-` and `.` stand for themselves, every other byte (and a leading point) as %XX."""
    plain = quote(name, safe="").replace("~", "%7E")
    return f"%2E{plain[1:]}" if plain.startswith(".") else plain


def state_of(home: StrPath) -> Path:
    """Where the state tables of its processes are."""
    return Path(home) / "state"


def supervisor_journal(home: Path) -> Path:
    """Where it is written what becomes of its processes, and its alerts."""
    return home / "journal" / "supervisor"


def user_cache(environ: Mapping[str, str]) -> Path | None:
    """$XDG_CACHE_HOME/onetape, else ~/.cache/onetape; None where the user has no home. It is the
    machine's and the user's, not a project's."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not Path(base).is_absolute():  # the XDG specification: relative ones are ignored
        try:
            base = str(Path.home() / ".cache")
        except RuntimeError:
            return None
    return Path(base) / "onetape"
