"""The stops that protect positions, for display: from the running guardian, else from the gateways' journals, without a
query of the venue."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from onetape.guardian.account_follower import AccountFollower
from onetape.guardian.core import GuardianCore
from onetape.ipc.names import process_socket
from onetape.ipc.operator import send_command
from onetape.model.errors import OnetapeError
from onetape.model.sections import Config
from onetape.options.guardian import GUARDIAN, guardian_options, has_guardian
from onetape.options.guardian_rules import GuardianSettings
from onetape.tape.wait import Waiter

__all__ = ["is_guarded", "stops"]


def is_guarded(home: Path, config: Config) -> bool:
    """Tells whether the configured guardian runs, by its socket."""
    return has_guardian(config) and process_socket(home, GUARDIAN).exists()


def stops(home: Path, config: Config) -> list[dict[str, Any]]:
    """Returns a row for each position that is open or has stops."""
    if is_guarded(home, config):
        try:
            (answer,) = send_command(home, GUARDIAN, "status", {}, uuid.uuid4().hex)
            if answer["result"] is not None:
                found: list[dict[str, Any]] = answer["result"]["stops"]
                return found
        except OnetapeError:
            pass  # it has ended, or is restarting
    return _by_journals(home, config)


def _by_journals(home: Path, config: Config) -> list[dict[str, Any]]:
    settings = guardian_options(config, {}, home=home).settings if config.accounts else GuardianSettings()
    core, waiter = GuardianCore(settings, epoch="", watched=()), Waiter()
    now = time.monotonic_ns()
    for name in config.accounts:
        follower = AccountFollower(name, home, core)
        follower.follow(waiter, now)
        follower.leave(waiter)
    return [each.shown(settings.of(each.instrument.symbol), now) for each in core.shown()]
