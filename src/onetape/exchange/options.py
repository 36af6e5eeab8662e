"""What a simulated exchange is started with. Light to import."""

from __future__ import annotations

import msgspec

__all__ = ["VenueOptions"]


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated exchange is started with. port: the one of its last life, 0: any. state:
    where it keeps what it is told, "": nowhere. chain: the folder by which those of one home send
    each other money. withdraw: their keys may."""

    kind: str
    seed: int
    port: int = 0
    state: str = ""
    chain: str = ""
    withdraw: bool = False
