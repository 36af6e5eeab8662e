"""The options of a host's connection to the others."""

from __future__ import annotations

import msgspec

__all__ = ["ClusterOptions"]


class ClusterOptions(msgspec.Struct, frozen=True):
    """servers: addresses of NATS servers. credentials: path of a credentials file, "": none. host: this host's name.
    follows: patterns of `host/journal` that are copied here. root: the first token of all subjects, one for each
    cluster. durable: copies can be synced."""

    host: str
    home: str
    servers: list[str]
    follows: list[str] = []
    credentials: str = ""
    root: str = "onetape"
    durable: bool = True
