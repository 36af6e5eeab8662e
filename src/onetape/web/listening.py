"""Checks before a section's port is opened, especially to a network, and its TLS. Light to import."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onetape.model.errors import BadConfig, PermissionDenied
from onetape.model.sections import Config, ControlConfig, DashboardConfig
from onetape.security.private import check_folders
from onetape.venues.hosts import is_loopback

if TYPE_CHECKING:
    import ssl

__all__ = ["server_tls", "tls_files", "trusts"]

ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - recognized, not bound


def tls_files(
    config: Config,
    name: str,
    section: ControlConfig | DashboardConfig,
    folder: Path,
    check_open: Callable[[str], None] = lambda place: None,
) -> tuple[str, str]:
    """Returns a section's files of certificate and key, "": plain HTTP. name: the section's. check_open: called with
    the location of its host if it is open to a network with TLS; raises any other missing requirement. Raises
    BadConfig, PermissionDenied."""
    place = config.location(name, "host") or f"[{name}]"
    if bool(section.tls_cert) != bool(section.tls_key):
        raise BadConfig("tls_cert and tls_key go together", location=place, todo="write both, or none")
    if not is_loopback(section.host):
        if not section.tls_cert:
            raise BadConfig(
                f"{section.host} is open to a network, and has no TLS",
                location=place,
                todo='write tls_cert = "cert.pem" and tls_key = "key.pem", or host = "127.0.0.1"',
            )
        check_open(place)
        if section.host in ANY_ADDRESS and not section.hosts:
            raise BadConfig(
                f"{section.host} needs a host name for its callers", location=place, todo='hosts = ["my.name"]'
            )
    cert, key = (str((folder / each).absolute()) if each else "" for each in (section.tls_cert, section.tls_key))
    for file in filter(None, (cert, key)):
        if not os.access(file, os.R_OK):
            raise BadConfig("cannot read the file", location=file, todo=f"see [{name}] tls_cert and tls_key")
    if key and Path(key).stat().st_mode & 0o077:
        raise PermissionDenied("others may read this key", location=key, todo=f"chmod 600 {key}")
    if key:
        check_folders(Path(key))
    return cert, key


def server_tls(cert: str, key: str) -> ssl.SSLContext | None:
    """Returns a server's TLS context with these files, None: it is plain HTTP."""
    if not cert:
        return None
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    return context


def trusts(certificate: str | Path) -> ssl.SSLContext:
    """Returns a context that trusts this one certificate, whoever has signed it."""
    import ssl

    context = ssl.create_default_context(cafile=str(certificate))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
