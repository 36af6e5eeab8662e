"""What a simulated exchange is started with. Light to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = ["ACCOUNTS", "VenueOptions", "simulated_account"]

ACCOUNTS: Final = ("main", "second")  # that each exchange begins with


def simulated_account(name: str, names: Sequence[str] = ACCOUNTS) -> str:
    """Returns what an exchange calls the account that a configuration has by this name: so, else its first. names: of
    its accounts."""
    return name if name in names else names[0]


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a simulated exchange is started with; paths as text, "": none.

    port: 0: a free one. state: where the exchange keeps what it has been told, so that it comes back as it was. chain:
    the folder by which withdrawals go to other exchanges. withdraw: the keys that accounts are opened with may. hedged:
    accounts that begin in hedge mode. limits: who asks too much is refused. faults: a file of rules. tape: a recorded
    market, at `speed` times life, begun again (`loop`) when it is over. control: the port of the control endpoint,
    None: there is none. unrouted: stream addresses without a category carry every stream (Binance). speed_bumps: orders
    that may take wait (Pacifica). home: whose runs find its keys.
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
