"""What a supervisor is started with, and where it is found. Light: every look at it begins here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.byte_size import parse_bytes
from onetape.model.config import Config
from onetape.services.supervisor_parts import SINGLE

__all__ = [
    "LOAD_WITHIN_S",
    "MODULES",
    "Checked",
    "RobotCheck",
    "RobotOptions",
    "SingleOptions",
    "SupervisorOptions",
    "VariantsOptions",
    "VenueOptions",
    "robot_options",
    "supervisor_journal",
    "supervisor_socket",
]

MODULES: Final = {
    kind: f"onetape.services.{kind}_main"
    for kind in ("venue", "collector", "gateway", "robot", "variants", SINGLE)
}  # of kinds of process


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """config: the file, "": the environment alone."""

    home: str
    config: str
    single: bool = False  # all in one process


LOAD_WITHIN_S: Final = 20  # a strategy that is asked before anything starts


def supervisor_journal(home: Path) -> Path:
    return home / "journal" / "supervisor"


def supervisor_socket(home: Path) -> Path:
    return home / "run" / "supervisor.sock"


class SingleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a process that runs all is started with. Its text shows no secret. secrets: what `env:`
    of the configuration names; exchanges: by account, the simulated exchange that its gateway's
    journal speaks of; is_first: of this supervisor."""

    config: Config
    home: str
    folder: str
    secrets: dict[str, str]
    exchanges: dict[str, str]
    is_first: bool

    def __repr__(self) -> str:
        return f"SingleOptions(home={self.home!r})"


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


class RobotOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a robot of the configuration is started with. symbols_only: it is asked which symbols
    it trades and says them, one a line. grant: shown to the gateway, that the sub-account is its
    own. since: runs that began after
    this moment, ns, go on; 0: none does. memory_max: bytes, 0: any."""

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
    symbols_only: bool = False
    grant: str = ""


def robot_options(config: Config, name: str, *, home: Path, folder: Path) -> RobotOptions:
    """As [robots.NAME] has it; what is of its start alone is left out."""
    robot = config.robots[name]
    return RobotOptions(
        name=name, home=str(home), folder=str(folder), strategy=robot.strategy,
        account=robot.account, subaccount=robot.subaccount, on_error=robot.on_error,
        params=robot.params, restart=robot.restart, orders_per_second=robot.orders_per_second,
        memory_max=parse_bytes(robot.memory_max) if robot.memory_max else 0,
        streams=robot.streams,
    )  # fmt: skip


class RobotCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a robot is asked before anything starts. variants: the parameters of each."""

    options: RobotOptions
    variants: list[dict[str, Any]]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """Its answer. symbols: what it trades; code, what, where, todo: of the error, 0: none."""

    name: str
    symbols: list[str] = []
    code: int = 0
    what: str = ""
    where: str = ""
    todo: str = ""


class VariantsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the variants of a robot are started with: parameters by variant."""

    home: str
    robot: str
    variants: dict[str, dict[str, Any]]
