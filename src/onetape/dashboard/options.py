"""What the web pages are started with, and where their link is. Light to import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from onetape.control.options import ANY_ADDRESS
from onetape.model.errors import BadConfig, PermissionDenied
from onetape.model.sections import DASHBOARD, Config, DashboardConfig
from onetape.venues.hosts import is_loopback

__all__ = ["DASHBOARD", "DashboardOptions", "dashboard_options", "has_dashboard", "link_file", "link_of"]

PORTS: Final = 100  # that are tried where none is written


class DashboardOptions(msgspec.Struct, frozen=True, kw_only=True):
    """As `ControlOptions`. ports: that may be taken, in this order."""

    home: str
    folder: str
    config: Config
    ports: list[int]
    tls_cert: str = ""
    tls_key: str = ""
    records: str = ""

    def __repr__(self) -> str:
        return f"DashboardOptions(home={self.home!r})"


def link_file(home: Path) -> Path:
    """Where the link is that lets a browser in, once; 0600."""
    return home / "run" / "dashboard.link"


def link_of(home: Path) -> str:
    """Returns the link that the next browser is let in by, "": there is none."""
    try:
        return link_file(home).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def has_dashboard(config: Config) -> bool:
    """Its port is opened where the section is written, and by no default."""
    return config.has(DASHBOARD) and config.dashboard.enabled


def dashboard_options(config: Config, *, home: Path, folder: Path) -> DashboardOptions:
    """Raises BadConfig for what would be open to a network without TLS, and for a written port that another has."""
    section: DashboardConfig = config.dashboard
    place = config.location(DASHBOARD, "host") or "[dashboard]"
    if bool(section.tls_cert) != bool(section.tls_key):
        raise BadConfig("tls_cert and tls_key go together", location=place, todo="write both, or none")
    if not is_loopback(section.host):
        if not section.tls_cert:
            raise BadConfig(
                f"{section.host} is open to a network, and has no TLS",
                location=place,
                todo='write tls_cert = "cert.pem" and tls_key = "key.pem", or host = "127.0.0.1"',
            )
        if section.host in ANY_ADDRESS and not section.hosts:
            raise BadConfig(
                f"{section.host} has no name by which it may be called", location=place, todo='hosts = ["my.name"]'
            )
    files = [str((folder / each).absolute()) if each else "" for each in (section.tls_cert, section.tls_key)]
    for file in filter(None, files):
        if not os.access(file, os.R_OK):
            raise BadConfig("cannot read the file", location=file, todo="see [dashboard] tls_cert and tls_key")
    if files[1] and Path(files[1]).stat().st_mode & 0o077:
        raise PermissionDenied("others may read this key", location=files[1], todo=f"chmod 600 {files[1]}")
    return DashboardOptions(
        home=str(home),
        folder=str(folder),
        config=config,
        ports=_ports(config, home),
        tls_cert=files[0],
        tls_key=files[1],
    )


def _ports(config: Config, home: Path) -> list[int]:
    """Returns the port that is written alone; else that of the last time, which open pages look for, then others."""
    port = config.dashboard.port
    if port and f"{DASHBOARD}.port" in config.places:
        return [port]
    last = urlsplit(link_of(home)).port
    wanted = [*([last] if last else []), *(range(port, port + PORTS) if port else [0])]
    return list(dict.fromkeys(wanted))
