"""The start options of a simulated exchange; cheap to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = ["ACCOUNTS", "VenueOptions", "simulated_account"]

ACCOUNTS: Final = ("main", "second")  # the accounts of each new exchange


def simulated_account(name: str, names: Sequence[str] = ACCOUNTS) -> str:
    """Returns the exchange's account for a configured account: the one of the same name, else the first. names: the
    exchange's accounts."""
    return name if name in names else names[0]


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The start options of a simulated exchange; paths as text, "": none.

    port: 0: a free one. state: directory of the exchange's journal, from which it is restored. chain: the folder
    through which withdrawals go to other exchanges. withdraw: the accounts' first keys may withdraw. hedged: accounts
    that begin in hedge mode. limits: refuse excess requests. faults: a file of fault rules. tape: a recorded market,
    played at `speed` times real time, and from the beginning again at its end with `loop`. control: the port of the
    control endpoint, None: there is none. unrouted: stream addresses without a category carry all streams (Binance).
    speed_bumps: delay orders that may take (Pacifica). symbols: of a generated market, in place of the venue's usual
    ones. home: runs in this home find the exchange's keys.
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
    symbols: list[str] = []
    home: str = ""
