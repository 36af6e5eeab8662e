"""The start options of the web pages, and the file of their link. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from onetape.model.sections import DASHBOARD, Config
from onetape.web.listening import tls_files

__all__ = ["DASHBOARD", "DashboardOptions", "dashboard_options", "has_dashboard", "link_file", "link_of"]

PORTS: Final = 100  # tried if none is configured


class DashboardOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The start options of the web pages, like `ControlOptions`. ports: candidates, in this order."""

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
    """Returns the file of the link that logs a browser in, once; 0600."""
    return home / "run" / "dashboard.link"


def link_of(home: Path) -> str:
    """Returns the link for the next login, "": there is none."""
    try:
        return link_file(home).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def has_dashboard(config: Config) -> bool:
    """Tells whether its port is to be opened: only if the section is written."""
    return config.has(DASHBOARD) and config.dashboard.enabled


def dashboard_options(config: Config, *, home: Path, folder: Path) -> DashboardOptions:
    """Raises BadConfig for options open to a network without TLS, and for a configured port used by another process."""
    cert, key = tls_files(config, DASHBOARD, config.dashboard, folder)
    ports = _ports(config, home)
    return DashboardOptions(home=str(home), folder=str(folder), config=config, ports=ports, tls_cert=cert, tls_key=key)


def _ports(config: Config, home: Path) -> list[int]:
    """Returns only the configured port; else that of the last time, which open pages look for, then others."""
    port = config.dashboard.port
    if port and f"{DASHBOARD}.port" in config.places:
        return [port]
    last = urlsplit(link_of(home)).port
    wanted = [*([last] if last else []), *(range(port, port + PORTS) if port else [0])]
    return list(dict.fromkeys(wanted))
