"""Locate a system's files: journals, state tables, runs."""

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
    "file_of",
    "gateway_journal",
    "guardian_journal",
    "home_of",
    "hosts_of",
    "hub_journal",
    "is_copied_home",
    "robot_journal",
    "state_of",
    "supervisor_journal",
    "user_cache",
    "variants_file",
]

BYTES_MAX: Final = 200  # a file name has 255 at most; kind, `-` and `.sock` are added
StrPath = str | os.PathLike[str]


def config_beside(option: StrPath | None = None) -> Path | None:
    """Returns the configuration file: the named one, else ./onetape.toml if it exists."""
    if option is not None:
        return Path(option)
    found = Path("onetape.toml")
    return found if found.is_file() else None


def home_of(option: StrPath | None = None, *, config: StrPath | None = None) -> Path:
    """Returns the home: the named one, else $ONETAPE_HOME, else .onetape beside the configuration, else in the
    current folder. Absolute; it may not exist yet."""
    if option is not None:
        return Path(option).absolute()
    if named := os.environ.get("ONETAPE_HOME"):
        return Path(named).absolute()
    beside = config_beside(config)
    return (beside.parent if beside else Path()).absolute() / ".onetape"


def file_name(name: bytes) -> str:
    """Returns the file name for any name. Different names get different file names, and none leads out of its folder.
    Letters, digits, `_`, `-` and `.` are kept, every other byte (and a leading point) becomes %XX."""
    plain = quote(name, safe="").replace("~", "%7E")
    return f"%2E{plain[1:]}" if plain.startswith(".") else plain


def encoded(name: str) -> str:
    data = name.encode("utf-8", "surrogatepass")
    plain = file_name(data)
    if len(plain) <= BYTES_MAX:
        return plain
    return f"%~{hashlib.sha256(data).hexdigest()}"


def decoded(text: str) -> str | None:
    """Returns the name that `encoded` made this file name from; None when the name was too long, or the file name has
    another source."""
    try:
        name = unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogatepass")
    except UnicodeError:
        return None
    return name if encoded(name) == text else None


def file_of(process: str) -> str:
    """Returns the name of a process's files: of its journal, and with a suffix of its socket."""
    kind, colon, name = process.partition(":")
    return f"{encoded(kind)}{'-' if colon else ''}{encoded(name)}"


def state_of(home: StrPath) -> Path:
    """Returns the folder of the processes' state tables."""
    return Path(home) / "state"


def gateway_journal(home: Path, account: str) -> Path:
    return home / "journal" / f"gateway-{encoded(account)}"


def supervisor_journal(home: Path) -> Path:
    """Returns the journal of the supervisor: process events and alerts."""
    return home / "journal" / "supervisor"


def user_cache(environ: Mapping[str, str]) -> Path | None:
    """Returns $XDG_CACHE_HOME/onetape, else ~/.cache/onetape; None where the user has no home. It belongs to machine
    and user, not to a project."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not Path(base).is_absolute():  # relative paths are ignored, by the XDG specification
        try:
            base = str(Path.home() / ".cache")
        except RuntimeError:
            return None
    return Path(base) / "onetape"


def hub_journal(home: Path) -> Path:
    return home / "journal" / "hub"


def hosts_of(home: Path) -> Path:
    """Returns the folder of the copied homes of other hosts."""
    return home / "hosts"


def robot_journal(home: Path, journal: str) -> Path:
    """Returns where a robot's journal is below this home. journal: its path when the robot attached to the gateway,
    maybe below the home of another host, which the gateway ran on."""
    path = Path(journal)
    if path.is_relative_to(home) or path.parent.parent.name != "runs":
        return path
    run = Path(*path.parts[-3:])
    found = [home / run, *sorted(hosts_of(home).glob(f"*/{run}"))]
    return next((each for each in found if (each / "control").exists()), path)


def is_copied_home(home: Path) -> bool:
    """Returns True for the copy of another host's home."""
    return home.parent == hosts_of(home.parent.parent) and (home / "journal").is_dir()


def guardian_journal(home: Path) -> Path:
    return home / "journal" / "guardian"


def variants_file(home: Path, robot: str) -> Path:
    """Returns the path of a JSON file with a robot's runs: {"live": run, "variants": {name: {"run": .., "params":
    ..}}}."""
    return home / "run" / f"variants-{robot}.json"
