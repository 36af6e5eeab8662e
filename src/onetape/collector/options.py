"""What a collector is started with, and where its journal is. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from onetape.ipc.names import encoded
from onetape.model.config import CollectorConfig, Config
from onetape.model.errors import BadConfig
from onetape.model.time import parse_duration
from onetape.venues.hosts import is_loopback

__all__ = ["CollectorOptions", "collector_journal", "collector_options", "streams_of"]

SCHEMES: Final = {"zeromq": ("tcp", "ipc"), "websocket": ("ws", "wss"), "nats": ("nats", "tls")}


class CollectorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """As [collectors.NAME] has it, checked; times in ns."""

    name: str
    home: str
    kind: str
    address: str
    topics: list[str]
    symbols: list[str]
    names: dict[str, str]
    subscribe: str
    message_bytes_max: int
    stale_ns: int
    published: bool
    instruments: str  # a file, "": the catalogue alone


def collector_journal(home: Path, name: str) -> Path:
    return home / "journal" / f"collector-{encoded(name)}"


def streams_of(config: Config) -> dict[str, CollectorConfig]:
    """The collectors that are processes: of feeds from outside."""
    return {name: each for name, each in config.collectors.items() if each.enabled and each.kind in SCHEMES}


def collector_options(name: str, config: CollectorConfig, *, home: Path, folder: Path) -> CollectorOptions:
    """Raises BadConfig for what cannot be followed."""
    location = f"collectors.{name}"
    _check_address(config, location)
    if not config.topics and not config.symbols and config.kind == "nats":
        raise BadConfig("no subjects", location=location, todo='write topics = ["prices.>"]')
    if config.message_bytes_max < 1:
        raise BadConfig("message_bytes_max is below 1", location=location, todo="give bytes")
    if config.subscribe and config.kind != "websocket":
        raise BadConfig(f"{config.kind} subscribes by itself", location=f"{location}.subscribe", todo="leave it out")
    return CollectorOptions(
        name=name,
        home=str(home),
        kind=config.kind,
        address=config.address,
        topics=config.topics,
        symbols=config.symbols,
        names=config.names,
        subscribe=config.subscribe,
        message_bytes_max=config.message_bytes_max,
        stale_ns=parse_duration(config.stale_after) if config.stale_after else 0,
        published=config.clock == "published",
        instruments=str(folder / config.instruments) if config.instruments else "",
    )


def _check_address(config: CollectorConfig, location: str) -> None:
    location = f"{location}.address"
    parts = urlsplit(config.address)
    schemes = SCHEMES[config.kind]
    if parts.scheme not in schemes:
        raise BadConfig(
            f"{config.kind} does not speak {parts.scheme or 'nothing'}",
            location=location,
            todo=f"write {' or '.join(f'{each}://' for each in schemes)}...",
        )
    if parts.username is not None or parts.password is not None:
        # The address itself stays out of the message: it holds a secret.
        raise BadConfig("a secret in the open", location=location, todo="leave user and password out")
    if parts.scheme == "ipc":
        return
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or (port is None and config.kind == "zeromq"):
        raise BadConfig("no host and port", location=location, todo=f"write {schemes[0]}://HOST:PORT")
    if not config.remote and not is_loopback(host):
        raise BadConfig(
            f"{host} is not this machine",
            location=location,
            todo="set remote = true where its network is to be trusted",
        )
