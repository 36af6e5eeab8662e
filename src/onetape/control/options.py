"""What the control plane is started with, and where its journal is. Light to import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from onetape.control.tokens import TokenStore
from onetape.model.errors import BadConfig, PermissionDenied
from onetape.model.sections import CONTROL, Config
from onetape.venues.hosts import is_loopback

__all__ = ["CONTROL", "ControlOptions", "control_journal", "control_options", "has_control"]

ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - recognized, not bound


class ControlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """folder: what paths of the configuration are relative to. tls_cert, tls_key: files, "": plain HTTP. records: URL
    of the recorder's database, which may hold a password: it is in no text of this; "": there is no recorder."""

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
    """Its port is opened where the section is written, and by no default."""
    return config.has(CONTROL) and config.control.enabled


def control_options(config: Config, *, home: Path, folder: Path) -> ControlOptions:
    """Raises BadConfig for what would be open to a network without tokens or TLS."""
    section = config.control
    place = config.location(CONTROL, "host") or "[control]"
    if bool(section.tls_cert) != bool(section.tls_key):
        raise BadConfig("tls_cert and tls_key go together", location=place, todo="write both, or none")
    if not is_loopback(section.host):
        if not section.tls_cert:
            raise BadConfig(
                f"{section.host} is open to a network, and has no TLS",
                location=place,
                todo='write tls_cert = "cert.pem" and tls_key = "key.pem", or host = "127.0.0.1"',
            )
        if not TokenStore(home).has_valid():
            raise BadConfig(
                f"{section.host} is open to a network, and there is no token",
                location=place,
                todo="onetape token create NAME --scope read,trade",
            )
        if section.host in ANY_ADDRESS and not section.hosts:
            raise BadConfig(
                f"{section.host} has no name by which it may be called", location=place, todo='hosts = ["my.name"]'
            )
    files = [str((folder / each).absolute()) if each else "" for each in (section.tls_cert, section.tls_key)]
    for file in filter(None, files):
        if not os.access(file, os.R_OK):
            raise BadConfig("cannot read the file", location=file, todo="see [control] tls_cert and tls_key")
    if files[1] and Path(files[1]).stat().st_mode & 0o077:
        raise PermissionDenied("others may read this key", location=files[1], todo=f"chmod 600 {files[1]}")
    return ControlOptions(home=str(home), folder=str(folder), config=config, tls_cert=files[0], tls_key=files[1])
