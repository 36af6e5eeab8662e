"""What a robot, its checks and its variants are started with, and where its run is. Light to
import."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.exchange.options import ACCOUNTS
from onetape.model.byte_size import parse_bytes
from onetape.model.errors import BadConfig
from onetape.model.sections import Config, RobotConfig
from onetape.model.symbol import at_exchange, exchange_of
from onetape.preflight.configured import is_simulated

__all__ = [
    "LOAD_WITHIN_S",
    "WAITS",
    "Checked",
    "RobotCheck",
    "RobotOptions",
    "VariantsOptions",
    "check_not_shared",
    "robot_options",
    "run_journal",
    "said_lines",
    "symbols_at",
    "traded_venues",
]

LOAD_WITHIN_S: Final = 20  # a strategy that is checked before anything starts
WAITS: Final = "waits for "  # begins what a process says before it is ready


class RobotOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a robot of the configuration is started with. symbols_only: it says only the symbols that it trades,
    one a line. venues: of a robot on several accounts those, each with the venue of the symbols that are traded on it.
    grants: by account, shown to the gateway, that the sub-account is its own. since: runs that began after this moment,
    ns, go on; 0: none does. memory_max: bytes, 0: any."""

    name: str
    home: str
    folder: str  # what the paths of the configuration are relative to
    strategy: str
    account: str
    subaccount: str
    on_error: str
    params: dict[str, Any]
    restart: str = "memory"
    streams: list[str] = []  # collectors that it hears beside its gateway
    since: int = 0
    orders_per_second: int = 0
    memory_max: int = 0
    filter: bool = True
    symbols_only: bool = False
    venues: dict[str, str] = {}
    grants: dict[str, str] = {}


def robot_options(config: Config, name: str, *, home: Path, folder: Path) -> RobotOptions:
    """Returns the options that [robots.NAME] has; what is of its start alone is left out."""
    robot = config.robots[name]
    return RobotOptions(
        name=name,
        home=str(home),
        folder=str(folder),
        strategy=robot.strategy,
        account=robot.traded_on[0],
        venues=traded_venues(config, robot),
        subaccount=robot.subaccount,
        on_error=robot.on_error,
        params=robot.params,
        restart=robot.restart,
        orders_per_second=robot.orders_per_second,
        memory_max=parse_bytes(robot.memory_max) if robot.memory_max else 0,
        streams=robot.streams,
        filter=robot.filter,
    )


def traded_venues(config: Config, robot: RobotConfig) -> dict[str, str]:
    """Returns the venue of the symbols that a robot trades on each of several accounts, with the account's name where
    an earlier one is of the same exchange; none where it has one account."""
    found: dict[str, str] = {}
    for name in robot.accounts:
        exchange = exchange_of(config.venues[config.accounts[name].venue].kind)
        found[name] = exchange if exchange not in found.values() else f"{exchange}@{name}"
    return found


def check_not_shared(config: Config, name: str) -> None:
    """Raises BadConfig for an account that a simulated exchange does not have by this name, and whose place, the first,
    another of the configuration has."""
    at = config.accounts[name].venue
    if not is_simulated(config.venues[at]) or name in ACCOUNTS:
        return
    first = [each for each, account in config.accounts.items() if account.venue == at and each not in ACCOUNTS[1:]]
    holder = ACCOUNTS[0] if ACCOUNTS[0] in first else first[0]
    if name != holder:
        raise BadConfig(
            f"{name} would be the account {ACCOUNTS[0]} of the simulated exchange {at}, which {holder} is already",
            location=config.location("accounts", name),
            todo=f"it has {' and '.join(ACCOUNTS)}: name two accounts so, or write another [venues.NAME] for {name}",
        )


def symbols_at(venue: str, symbols: Iterable[str]) -> list[str]:
    """Returns which of a robot's symbols the gateway of an account follows, as its exchange names them. venue: that of
    the account's symbols, "": all."""
    found = dict.fromkeys(at_exchange(symbol) for symbol in symbols)
    return [symbol for symbol in found if at_exchange(venue) in ("", symbol.partition(":")[0])]


class RobotCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a check of a robot before anything starts. variants: the parameters of each."""

    options: RobotOptions
    variants: list[dict[str, Any]]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """Answers a check of a robot. symbols: what it trades; code, what, location, todo: of the error, 0: none."""

    name: str
    symbols: list[str] = []
    code: int = 0
    what: str = ""
    location: str = ""
    todo: str = ""


class VariantsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the variants of a robot are started with: parameters by variant."""

    home: str
    robot: str
    variants: dict[str, dict[str, Any]]


def said_lines(out: Path) -> tuple[list[bytes], list[bytes]]:
    """Returns the whole lines that a process has said: what it waits for, then those from the one that it is ready
    with."""
    try:
        lines = [each for each in out.read_bytes().splitlines(keepends=True) if each[-1:] == b"\n"]
    except FileNotFoundError:
        return [], []
    waits = list(takewhile(lambda line: line.startswith(WAITS.encode()), lines))
    return waits, lines[len(waits) :]


def run_journal(home: Path, robot: str) -> Path | None:
    """Returns the run's journal of a robot's process: it says where that is on the line with which it became ready."""
    _, said = said_lines(home / "run" / f"{robot.replace(':', '-')}.out")
    word, _, path = said[0].decode().strip().partition(" ") if said else ("", "", "")
    return Path(path) if word == "ready" and path else None
