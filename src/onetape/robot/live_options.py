"""What a robot that trades live is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onetape.model.sections import Config
from onetape.robot.robot_run import RobotRunOptions

__all__ = ["LiveOptions"]


@dataclass(frozen=True, slots=True)
class LiveOptions(RobotRunOptions):
    """Holds what `onetape run --live` takes. config: onetape.toml; folder: what its paths are relative to; account:
    which, where there are several; accounts: which it trades on, of several; subaccount: whose money the robot trades
    with; venues: of a robot on several accounts those, each with the venue of the symbols that are traded on it."""

    config: Config | None = None
    folder: Path = Path()
    account: str = ""
    accounts: Sequence[str] = ()
    venues: Mapping[str, str] = field(default_factory=dict)
    subaccount: str = "main"
    single: bool = False  # gateway and robot in this process
    robot: str = ""  # its name in the configuration; "": that of its run
    strategy_named: str = ""  # as the configuration has it
    goes_on_since: int = 0  # ns: its run goes on if it began later, 0: a new one begins
    restart: str = "memory"  # what a robot that was there before begins with
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)  # where secrets are
    spin: bool = False  # and it never sleeps
    streams: Sequence[str] = ()  # collectors that it hears beside its gateway
    grants: Mapping[str, str] = field(default_factory=dict)  # by account, of a robot with a token of its own
    stopped: bool = False  # by the operator: it begins without trading
    orders_per_second: int = 0  # of this robot; 0: the account's limits alone
