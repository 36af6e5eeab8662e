"""The start options of a supervisor, and its location. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from onetape.dashboard.options import DASHBOARD
from onetape.model.home import supervisor_journal
from onetape.model.sections import CLUSTER, TELEGRAM, Config, RetentionConfig
from onetape.options.control import CONTROL
from onetape.options.guardian import GUARDIAN
from onetape.supervisor.parts import SINGLE

__all__ = [
    "MODULES",
    "SingleOptions",
    "SupervisorOptions",
    "has_metrics",
    "minimal",
    "supervisor_journal",
    "supervisor_socket",
]

MODULES: Final = {
    "venue": "onetape.exchange.main",
    "collector": "onetape.collector.main",
    "hub": "onetape.hub.main",
    CLUSTER: "onetape.cluster.main",
    "guardian": "onetape.guardian.main",
    "recorder": "onetape.recorder.main",
    CONTROL: "onetape.control.main",
    TELEGRAM: "onetape.telegram.main",
    DASHBOARD: "onetape.dashboard.main",
    "gateway": "onetape.gateway.main",
    "robot": "onetape.robot.main",
    "variants": "onetape.robot.variants_main",
    SINGLE: "onetape.supervisor.single_main",
}  # for kinds of process


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The start options of a supervisor. config: the file, "": the environment alone."""

    home: str
    config: str
    single: bool = False  # all in one process
    minimal: bool = False  # the smallest set that trades safely


def minimal(config: Config) -> Config:
    """Returns the smallest part of a configuration that trades safely: accounts with their venues, robots with their
    streams, and the guardian, also if it is not written. Without a recorder no journal is pruned: unrecorded frames
    stay."""
    change = msgspec.structs.replace
    heard = {stream for robot in config.robots.values() for stream in robot.streams}
    used = {account.venue for account in config.accounts.values()} | {config.collectors[name].venue for name in heard}
    sections = {name: change(getattr(config, name), enabled=False) for name in _AROUND}
    return change(
        config,
        venues={name: venue for name, venue in config.venues.items() if name in used},
        collectors={name: each for name, each in config.collectors.items() if name in heard},
        robots={name: change(robot, variants={}) for name, robot in config.robots.items()},
        guardian=change(config.guardian, enabled=True),
        notify=change(config.notify, telegram=None),
        retention=RetentionConfig(every=config.retention.every, compress=config.retention.compress),
        places={GUARDIAN: "--minimal", **config.places},
        **sections,
    )


_AROUND: Final = ("hub", CLUSTER, "recorder", CONTROL, DASHBOARD, "metrics")


def has_metrics(config: Config) -> bool:
    """Tells whether the metrics port is opened: only if the section is written."""
    return config.has("metrics") and config.metrics.enabled


def supervisor_socket(home: Path) -> Path:
    return home / "run" / "supervisor.sock"


class SingleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The start options of a process that runs everything. Its text shows no secret. secrets: values of the
    configuration's `env:` names; exchanges: by account, the simulated exchange of its gateway's journal; is_first:
    whether this supervisor starts it for the first time."""

    config: Config
    home: str
    folder: str
    secrets: dict[str, str]
    exchanges: dict[str, str]
    is_first: bool

    def __repr__(self) -> str:
        return f"SingleOptions(home={self.home!r})"
