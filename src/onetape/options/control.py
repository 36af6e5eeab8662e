"""The options of the control plane, and the path of its journal. Light to import."""

from __future__ import annotations

from pathlib import Path

import msgspec

from onetape.model.errors import BadConfig
from onetape.model.sections import CONTROL, Config
from onetape.web.listening import tls_files
from onetape.web.tokens import TokenStore

__all__ = ["CONTROL", "ControlOptions", "control_journal", "control_options", "has_control"]


class ControlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the control plane. folder: base of relative paths in the configuration. tls_cert, tls_key: files,
    "": plain HTTP. records: URL of the recorder's database ("": no recorder), not in the repr, as it may contain a
    password."""

    home: str
    folder: str
    config: Config
    tls_cert: str = ""
    tls_key: str = ""
    records: str = ""

    def __repr__(self) -> str:
        return f"ControlOptions(home={self.home!r})"


def control_journal(home: Path) -> Path:
    return home / "journal" / CONTROL


def has_control(config: Config) -> bool:
    """Returns True when the control plane is configured and enabled; it has no default."""
    return config.has(CONTROL) and config.control.enabled


def control_options(config: Config, *, home: Path, folder: Path) -> ControlOptions:
    """Makes the options. Raises BadConfig for a configuration that would be open to a network without tokens or TLS."""

    def check_open(place: str) -> None:
        if not TokenStore(home).has_valid():
            raise BadConfig(
                f"{config.control.host} is open to a network, and there is no token",
                location=place,
                todo="onetape token create NAME --scope read,trade",
            )

    cert, key = tls_files(config, CONTROL, config.control, folder, check_open)
    return ControlOptions(home=str(home), folder=str(folder), config=config, tls_cert=cert, tls_key=key)
