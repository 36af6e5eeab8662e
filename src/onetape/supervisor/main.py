"""The supervisor's process: `python -m onetape.supervisor.main`. On standard input: its settings as a line of JSON,
then a line that lets it begin; it imports its modules meanwhile. It belongs to no terminal; its messages are in
`<home>/logs`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from onetape.dashboard.options import DASHBOARD, has_dashboard
from onetape.ipc.process import raise_file_limit
from onetape.model.errors import OnetapeError
from onetape.model.sections import TELEGRAM, Config
from onetape.model.typed import from_json
from onetape.options.cluster import CLUSTER, has_cluster
from onetape.options.control import CONTROL, has_control
from onetape.options.guardian import has_guardian
from onetape.options.hub import has_hub
from onetape.options.recorder import has_recorder
from onetape.preflight.configured import clean_environ, is_simulated
from onetape.security.confine import confine
from onetape.security.private import private_folder
from onetape.store.config import load_config
from onetape.supervisor.fork_server import ForkServer
from onetape.supervisor.options import SupervisorOptions, minimal

if TYPE_CHECKING:
    from onetape.supervisor.supervisor import Supervisor

__all__ = ["supervise"]


def supervise(
    config: Config,
    home: Path,
    folder: Path,
    settled: Callable[[Supervisor], None] | None = None,
    *,
    single: bool = False,
    is_minimal: bool = False,
    file: Path | None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Supervises until all is stopped. settled: called once, when all run or have failed. single: all in one
    process; is_minimal: the smallest set of them. file: of the configuration, read again for a restart. is_wanted:
    asked before anything begins. Raises JournalLocked if this home has a supervisor, BadConfig."""
    whole, reduce = config, minimal if is_minimal else _whole
    config = reduce(config)
    confine()
    raise_file_limit()  # inherited by its children
    forks = None if single else _fork_server(config, home)  # it imports meanwhile
    from onetape.supervisor.start import Starter, children_of, with_secrets_kept
    from onetape.supervisor.supervisor import Supervisor

    try:
        if not is_wanted():
            return
        kept, environ = with_secrets_kept(config, os.environ, folder)
        starter = Starter(kept, home=home, folder=folder, environ=environ)
        if is_minimal:
            left = sorted({child.name for child in children_of(whole)} - {child.name for child in children_of(config)})
            starter.notes.append(f"without {', '.join(left) or 'nothing'}: --minimal")

        async def work() -> None:
            supervisor = Supervisor(kept, starter, home, single=single, forks=forks)
            supervisor.file = str(file.absolute()) if file else ""
            supervisor.read = lambda: with_secrets_kept(reduce(load_config(file, os.environ)), environ, folder)[0]
            await supervisor.run(lambda: settled(supervisor) if settled is not None else None)

        asyncio.run(work())
    finally:
        if forks is not None:
            forks.close()


def _whole(config: Config) -> Config:
    return config


def _fork_server(config: Config, home: Path) -> ForkServer | None:
    """Starts one for the configured kinds of process. None: it failed; processes are then created one by one."""
    wanted = {
        "venue": any(map(is_simulated, config.venues.values())),
        "gateway": config.accounts,
        "robot": config.robots,
        "collector": config.collectors,
        CLUSTER: has_cluster(config),
        "hub": has_hub(config),
        "guardian": has_guardian(config),
        "recorder": has_recorder(config),
        CONTROL: has_control(config),
        TELEGRAM: config.notify.telegram,
        DASHBOARD: has_dashboard(config),
        "variants": any(robot.variants for robot in config.robots.values()),
    }
    err = private_folder(home / "run") / "fork-server.err"
    try:
        return ForkServer([kind for kind, is_wanted in wanted.items() if is_wanted], clean_environ(config), err)
    except OSError:
        return None


def main() -> int:
    options = from_json(sys.stdin.buffer.readline(), SupervisorOptions)
    path = Path(options.config) if options.config else None
    try:
        config = load_config(path, os.environ)
        folder = path.parent if path else Path.cwd()
        supervise(
            config,
            Path(options.home),
            folder,
            single=options.single,
            is_minimal=options.minimal,
            file=path,
            is_wanted=lambda: bool(sys.stdin.buffer.readline()),
        )
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
