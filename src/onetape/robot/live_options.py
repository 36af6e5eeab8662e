"""Define the start options of a live robot."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onetape.model.sections import Config
from onetape.robot.robot_run import RobotRunOptions

__all__ = ["LiveOptions"]


@dataclass(frozen=True, slots=True)
class LiveOptions(RobotRunOptions):
    """The options of `onetape run --live`. config: onetape.toml; folder: base of its paths; account: one of several;
    accounts: those it trades on, of several; subaccount: whose money the robot trades with; venues: for a robot on
    several accounts, each with the venue of its symbols."""

    config: Config | None = None
    folder: Path = Path()
    account: str = ""
    accounts: Sequence[str] = ()
    venues: Mapping[str, str] = field(default_factory=dict)
    subaccount: str = "main"
    single: bool = False  # gateway and robot in this process
    robot: str = ""  # its name in the configuration; "": its run's
    strategy_named: str = ""  # as in the configuration
    goes_on_since: int = 0  # ns: its run continues if it began later, 0: a new one begins
    restart: str = "memory"  # what it takes from an earlier robot
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)  # source of secrets
    spin: bool = False  # the process never sleeps
    streams: Sequence[str] = ()  # collectors read beside its gateway
    grants: Mapping[str, str] = field(default_factory=dict)  # by account, for a robot with its own token
    stopped: bool = False  # by the operator: it begins without trading
    wall: Callable[[], int] = time.time_ns  # the machine's clock, ns UTC
    sleep: Callable[[float], None] = time.sleep
    orders_per_second: int = 0  # of this robot; 0: only the account's limits
