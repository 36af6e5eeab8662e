"""The options of a host's connection to the others. Light to import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.home import file_of
from onetape.model.placement import host_of, hosts_of, is_local, processes_of
from onetape.model.sections import CLUSTER, DASHBOARD, TELEGRAM, Config
from onetape.model.time import SECOND
from onetape.options.collector import collectors_of
from onetape.options.control import CONTROL, has_control
from onetape.options.hub import HUB, has_hub
from onetape.options.recorder import RECORDER, has_recorder
from onetape.security.secrets import read_secret
from onetape.venues.hosts import is_loopback

__all__ = ["CLUSTER", "LEASE_HELD", "LEASE_SENDS", "LEASE_TAKEN", "ClusterOptions", "cluster_options", "has_cluster"]

# A lease: after its last renewal was sent nothing is opened for longer than LEASE_HELD, and nothing is sent for longer
# than LEASE_SENDS; another host takes it when it has seen no renewal for LEASE_TAKEN.
LEASE_HELD: Final = 4 * SECOND
LEASE_SENDS: Final = 5 * SECOND
LEASE_TAKEN: Final = 6 * SECOND
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")


class ClusterOptions(msgspec.Struct, frozen=True, kw_only=True):
    """servers: addresses of NATS servers. credentials: content of a credentials file, "": none. ca: path of the
    certificates that vouch for the servers, "": the machine's. host: this host's name. follow: patterns of
    `host/journal` that are copied here. name: the first token of all subjects. peers: the other hosts of the same
    configuration. shared: the processes that run there and not here, with their hosts. leased: processes that this host
    or another one runs, and whether they belong to this one. replicated: processes that wait until another host has
    their frames, with that host."""

    host: str
    home: str
    servers: list[str]
    follow: list[str] = []
    credentials: str = ""
    ca: str = ""
    name: str = "onetape"
    peers: list[str] = []
    shared: dict[str, list[str]] = {}
    leased: dict[str, bool] = {}
    replicated: dict[str, str] = {}


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
    _check(config)
    place = config.cluster.credentials
    host = config.cluster.host
    return ClusterOptions(
        host=host,
        home=str(home),
        servers=config.cluster.servers,
        follow=[*config.cluster.follow, *_needed(config, host)],
        credentials=read_secret(place, environ, folder=folder).reveal() if place else "",
        ca=_ca_of(config, folder),
        name=config.cluster.name,
        peers=[each for each in config.hosts if each != host],
        shared={name: there for name in processes_of(config) if (there := _other_hosts(config, name))},
        replicated={
            f"gateway:{name}": _other_hosts(config, f"gateway:{name}")[0]
            for name, account in config.accounts.items()
            if account.durability == "replicated" and is_local(config, f"gateway:{name}")
        },
        leased={
            f"gateway:{name}": host_of(config, f"gateway:{name}") == host
            for name, account in config.accounts.items()
            if account.standby and is_local(config, f"gateway:{name}")
        },
    )


def _check(config: Config) -> None:
    """Raises BadConfig for servers that are not reachable safely, and for names that are no part of a subject."""
    if not config.cluster.servers:
        raise BadConfig(
            "no server is named", location=config.location(CLUSTER), todo='write servers = ["nats://127.0.0.1:4222"]'
        )
    for server in config.cluster.servers:
        _check_server(server, config.location(CLUSTER, "servers"), has_credentials=bool(config.cluster.credentials))
    host = config.cluster.host
    for key, word in (("host", host), ("name", config.cluster.name)):
        if _NAME.fullmatch(word) is None:
            raise BadConfig(
                f"{word!r} is no name of a {'host' if key == 'host' else 'cluster'}",
                location=config.location(CLUSTER, key),
                todo="use letters, digits, - and _, 63 at most",
            )
    if config.hosts and host not in config.hosts:
        raise BadConfig(
            f"this machine, {host}, is none of the hosts {', '.join(config.hosts)}",
            location=config.location("hosts"),
            todo=f"write ONETAPE_CLUSTER__HOST={next(iter(config.hosts))} into its environment",
        )
    for pattern in config.cluster.follow:
        if "/" not in pattern:
            raise BadConfig(
                f"{pattern!r} names no journal",
                location=config.location(CLUSTER, "follow"),
                todo=f'write host/journal, as "{pattern}/journal/*"',
            )


def _needed(config: Config, host: str) -> list[str]:
    """Returns the journals of other hosts that processes of this one read, as patterns of `host/journal`: all, where a
    process shows or records what all hosts do."""
    others = [each for each in config.hosts if each != host]
    readers = {
        RECORDER: has_recorder(config),
        CONTROL: has_control(config),
        DASHBOARD: config.has(DASHBOARD) and config.dashboard.enabled,
        TELEGRAM: config.notify.telegram is not None,
    }
    if any(is_there and is_local(config, each) for each, is_there in readers.items()):
        return [f"{other}/{folder}/*" for other in others for folder in ("journal", "runs")]
    found: dict[str, None] = {}

    def need(process: str) -> None:
        for there in _other_hosts(config, process):
            found[f"{there}/journal/{escape(file_of(process))}"] = None

    for account, section in config.accounts.items():
        if section.standby and is_local(config, f"gateway:{account}"):
            need(f"gateway:{account}")

    for name, robot in config.robots.items():
        gateways = [f"gateway:{account}" for account in robot.traded_on]
        if is_local(config, f"robot:{name}"):
            for process in (*gateways, *[HUB] * has_hub(config), *(f"collector:{each}" for each in robot.streams)):
                need(process)
        elif any(is_local(config, each) for each in gateways):
            found[f"{host_of(config, f'robot:{name}')}/runs/*"] = None
    if has_hub(config):
        for name in collectors_of(config) if is_local(config, HUB) else ():
            need(f"collector:{name}")
        if any(is_local(config, f"gateway:{account}") for account in config.accounts):
            need(HUB)
    return list(found)


def _other_hosts(config: Config, process: str) -> list[str]:
    """Returns the other hosts that run a process for this one: none where it runs here, too, unless it is a gateway,
    of which its host and its standby run one."""
    if is_local(config, process) and not process.startswith("gateway:"):
        return []
    return [each for each in hosts_of(config, process) if each != config.cluster.host]


def _ca_of(config: Config, folder: Path) -> str:
    """Returns the path of the certificates, "": none is named. Raises BadConfig for a file without any."""
    if not config.cluster.ca:
        return ""
    import ssl

    file = str(folder / config.cluster.ca)
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(
            f"{file}: {(error.strerror or str(error)).lower()}",
            location=config.location(CLUSTER, "ca"),
            todo="name a PEM file with the certificates",
        ) from None
    return file


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
