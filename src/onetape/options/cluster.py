"""The options of a host's connection to the others. Light to import."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.sections import CLUSTER, Config
from onetape.security.secrets import read_secret
from onetape.venues.hosts import is_loopback

__all__ = ["CLUSTER", "ClusterOptions", "cluster_options", "has_cluster"]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")


class ClusterOptions(msgspec.Struct, frozen=True, kw_only=True):
    """servers: addresses of NATS servers. credentials: content of a credentials file, "": none. host: this host's name.
    follow: patterns of `host/journal` that are copied here. name: the first token of all subjects."""

    host: str
    home: str
    servers: list[str]
    follow: list[str] = []
    credentials: str = ""
    name: str = "onetape"


def has_cluster(config: Config) -> bool:
    """Returns True when the cluster is configured and enabled."""
    return config.has(CLUSTER) and config.cluster.enabled


def cluster_options(config: Config, *, home: Path, folder: Path, environ: Mapping[str, str]) -> ClusterOptions:
    """Makes the options. Raises BadConfig for servers that are not reachable safely, and for a name that is no part of
    a subject."""
    if find_spec("nats") is None:
        raise NotAvailable(
            "nats-py is not installed", location=config.location(CLUSTER), todo="pip install 'onetape[cluster]'"
        )
    if not config.cluster.servers:
        raise BadConfig(
            "no server is named", location=config.location(CLUSTER), todo='write servers = ["nats://127.0.0.1:4222"]'
        )
    for server in config.cluster.servers:
        _check_server(server, config.location(CLUSTER, "servers"), has_credentials=bool(config.cluster.credentials))
    host = config.cluster.host or socket.gethostname().partition(".")[0]
    for key, word in (("host", host), ("name", config.cluster.name)):
        if _NAME.fullmatch(word) is None:
            raise BadConfig(
                f"{word!r} is no name of a {'host' if key == 'host' else 'cluster'}",
                location=config.location(CLUSTER, key),
                todo="use letters, digits, - and _, 63 at most",
            )
    for pattern in config.cluster.follow:
        if "/" not in pattern:
            raise BadConfig(
                f"{pattern!r} names no journal",
                location=config.location(CLUSTER, "follow"),
                todo=f'write host/journal, as "{pattern}/journal/*"',
            )
    place = config.cluster.credentials
    return ClusterOptions(
        host=host,
        home=str(home),
        servers=config.cluster.servers,
        follow=config.cluster.follow,
        credentials=read_secret(place, environ, folder=folder).reveal() if place else "",
        name=config.cluster.name,
    )


def _check_server(server: str, location: str, *, has_credentials: bool) -> None:
    """Raises BadConfig for what is no address, and for a network without TLS and credentials."""
    try:
        parts = urlsplit(server)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.username is not None or parts.password is not None:
        raise BadConfig("a secret in the open", location=location, todo="use credentials")
    if parts.scheme not in ("nats", "tls") or not host or not port:
        raise BadConfig(f"{server!r} is no server", location=location, todo='write "nats://127.0.0.1:4222"')
    if not is_loopback(host) and (parts.scheme != "tls" or not has_credentials):
        raise BadConfig(
            f"{host} is reached over a network: without TLS and credentials anybody there may read and send",
            location=location,
            todo=f'write "tls://{host}:{port}", and credentials = "file:nats.creds"',
        )
