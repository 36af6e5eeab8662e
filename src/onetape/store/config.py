"""Reads the configuration file, whose content `onetape.model.sections` defines. A home stores the configuration of
its running processes, for commands that must work whatever happens to the file."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.sections import CLUSTER, Config
from onetape.model.typed import from_json
from onetape.security.private import replace_private

__all__ = ["keep_config", "kept_config", "load_config"]


def _kept(home: Path) -> Path:
    return home / "run" / "config.json"


def keep_config(home: Path, config: Config) -> None:
    """Stores the configuration of the home's running processes: it has the locations of secrets, not the secrets."""
    with suppress(OSError):  # a full disk: the original file is still there
        replace_private(_kept(home), msgspec.json.encode(config))


def kept_config(home: Path) -> Config | None:
    """Returns the configuration stored last; None: there is none that this build can read."""
    try:
        return from_json(_kept(home).read_bytes(), Config)
    except (OSError, msgspec.DecodeError):
        return None


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Returns the file, overridden by the environment; without a file the defaults."""
    if path is None:
        return parse_config("", environ=environ, name="the environment")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadConfig("not UTF-8 text", location=str(path)) from error
    except OSError as error:
        raise BadConfig(
            f"cannot read the configuration: {(error.strerror or '').lower()}",
            location=str(path),
            todo="onetape init writes one",
        ) from error
    config = parse_config(text, environ=environ, name=str(path))
    if config.cluster.host or not config.has(CLUSTER):
        return config
    host = socket.gethostname().partition(".")[0]
    return msgspec.structs.replace(config, cluster=msgspec.structs.replace(config.cluster, host=host))
