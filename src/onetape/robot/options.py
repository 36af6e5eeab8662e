"""Define start options of a robot, its checks and its variants, and locate its run. Light to import."""

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

LOAD_WITHIN_S: Final = 20  # check of a strategy before anything starts
WAITS: Final = "waits for "  # prefix of lines that a process prints before it is ready


class RobotOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The start options of a configured robot. symbols_only: it prints only the symbols that it trades, one a line.
    venues: for a robot on several accounts, each with the venue of its symbols. grants: by account, tokens that show
    the gateway its right to the sub-account. since: runs that began after this time, ns, continue; 0: none does.
    memory_max: bytes, 0: any."""

    name: str
    home: str
    folder: str  # base of the configuration's paths
    strategy: str
    account: str
    subaccount: str
    on_error: str
    params: dict[str, Any]
    restart: str = "memory"
    streams: list[str] = []  # collectors read beside its gateway
    since: int = 0
    orders_per_second: int = 0
    memory_max: int = 0
    filter: bool = True
    year: str = "365"
    riskless: float = 0.0
    symbols_only: bool = False
    venues: dict[str, str] = {}
    grants: dict[str, str] = {}


def robot_options(config: Config, name: str, *, home: Path, folder: Path) -> RobotOptions:
    """Returns the options from [robots.NAME]; without those of a single start."""
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
        year=str(robot.year),
        riskless=robot.riskless,
    )


def traded_venues(config: Config, robot: RobotConfig) -> dict[str, str]:
    """Returns the venue of a robot's symbols on each of several accounts, with the account's name where an earlier
    one is of the same exchange; empty for one account."""
    found: dict[str, str] = {}
    for name in robot.accounts:
        exchange = exchange_of(config.venues[config.accounts[name].venue].kind)
        found[name] = exchange if exchange not in found.values() else f"{exchange}@{name}"
    return found


def check_not_shared(config: Config, name: str) -> None:
    """Raises BadConfig for an account whose name a simulated exchange does not have, and whose default, the first,
    belongs to another configured account."""
    at = config.accounts[name].venue
    if not is_simulated(config.venues[at]) or name in ACCOUNTS:
        return
    first = [each for each, account in config.accounts.items() if account.venue == at and each not in ACCOUNTS[1:]]
    holder = ACCOUNTS[0] if ACCOUNTS[0] in first else first[0]
    if name != holder:
        raise BadConfig(
            f"{name} would use the account {ACCOUNTS[0]} of the simulated exchange {at}, which {holder} uses already",
            location=config.location("accounts", name),
            todo=f"use the exchange's names {' and '.join(ACCOUNTS)}, or write another [venues.NAME] for {name}",
        )


def symbols_at(venue: str, symbols: Iterable[str]) -> list[str]:
    """Returns the robot's symbols that the gateway of an account follows, as its exchange names them. venue: of the
    account's symbols, "": all."""
    found = dict.fromkeys(at_exchange(symbol) for symbol in symbols)
    return [symbol for symbol in found if at_exchange(venue) in ("", symbol.partition(":")[0])]


class RobotCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A request to check a robot before anything starts. variants: the parameters of each."""

    options: RobotOptions
    variants: list[dict[str, Any]]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a check. symbols: those it trades; code, what, location, todo: of the error, 0: none."""

    name: str
    symbols: list[str] = []
    code: int = 0
    what: str = ""
    location: str = ""
    todo: str = ""


class VariantsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The start options of a robot's variants: parameters by variant."""

    home: str
    robot: str
    variants: dict[str, dict[str, Any]]


def said_lines(out: Path) -> tuple[list[bytes], list[bytes]]:
    """Returns the complete lines printed by a process: what it awaits, then those from the ready line on."""
    try:
        lines = [each for each in out.read_bytes().splitlines(keepends=True) if each[-1:] == b"\n"]
    except FileNotFoundError:
        return [], []
    waits = list(takewhile(lambda line: line.startswith(WAITS.encode()), lines))
    return waits, lines[len(waits) :]


def run_journal(home: Path, robot: str) -> Path | None:
    """Returns the run's journal of a robot's process, from its ready line."""
    _, said = said_lines(home / "run" / f"{robot.replace(':', '-')}.out")
    word, _, path = said[0].decode().strip().partition(" ") if said else ("", "", "")
    return Path(path) if word == "ready" and path else None
