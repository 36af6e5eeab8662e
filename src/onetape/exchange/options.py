"""The start options of a simulated exchange. Light to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = ["ACCOUNTS", "VenueOptions", "simulated_account"]

ACCOUNTS: Final = ("main", "second")  # the accounts of each new exchange


def simulated_account(name: str, names: Sequence[str] = ACCOUNTS) -> str:
    """Returns the exchange's account for a configured account name: the same name, else its first. names: of its
    accounts."""
    return name if name in names else names[0]


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The start options of a simulated exchange; paths as text, "": none.

    port: 0: a free one. state: directory of its journal, from which it is restored. chain: the folder by which
    withdrawals go to other exchanges. withdraw: the initial keys may withdraw. hedged: accounts that begin in hedge
    mode. limits: refuse excess requests. faults: a file of rules. tape: a recorded market, at `speed` times real
    time, restarted (`loop`) at its end. control: the port of the control endpoint, None: there is none. unrouted:
    stream addresses without a category carry every stream (Binance). speed_bumps: delay orders that may take
    (Pacifica). home: its runs find the exchange's keys.
    """

    kind: str
    seed: int
    host: str = "127.0.0.1"
    port: int = 0
    state: str = ""
    chain: str = ""
    withdraw: bool = False
    hedged: list[str] = []
    limits: bool = True
    faults: str = ""
    tape: str = ""
    speed: float = 1.0
    loop: bool = False
    control: int | None = None
    unrouted: bool = False
    speed_bumps: bool = True
    home: str = ""
