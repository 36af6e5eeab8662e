"""Where a system keeps its files: journals, state tables, runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes

__all__ = [
    "StrPath",
    "config_beside",
    "decoded",
    "encoded",
    "gateway_journal",
    "guardian_journal",
    "home_of",
    "state_of",
    "supervisor_journal",
    "user_cache",
    "variants_file",
]

BYTES_MAX: Final = 200  # of 255: kind, `-` and `.sock` come with it
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


def encoded(name: str) -> str:
    data = name.encode("utf-8", "surrogatepass")
    plain = file_name(data)
    if len(plain) <= BYTES_MAX:
        return plain
    return f"%~{hashlib.sha256(data).hexdigest()}"


def decoded(text: str) -> str | None:
    """None: it was too long to be written, or is none of these names."""
    try:
        name = unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogatepass")
    except UnicodeError:
        return None
    return name if encoded(name) == text else None


def state_of(home: StrPath) -> Path:
    """Where the state tables of its processes are."""
    return Path(home) / "state"


def gateway_journal(home: Path, account: str) -> Path:
    return home / "journal" / f"gateway-{encoded(account)}"


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


def guardian_journal(home: Path) -> Path:
    return home / "journal" / "guardian"


def variants_file(home: Path, robot: str) -> Path:
    """Returns the file that says where the runs are: {"live": run, "variants": {name: {"run": .., "params": ..}}}."""
    return home / "run" / f"variants-{robot}.json"
