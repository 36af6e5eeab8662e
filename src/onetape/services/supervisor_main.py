"""The supervisor's process: `python -m onetape.services.supervisor_main`, what it needs as JSON on
standard input. It belongs to no terminal; what it has to say is in `<home>/logs`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from onetape.model.config import Config
from onetape.model.errors import OnetapeError
from onetape.services.supervisor import Supervisor
from onetape.services.supervisor_options import SupervisorOptions
from onetape.services.supervisor_start import Starter, with_secrets_kept
from onetape.store.config import load_config

__all__ = ["supervise"]


def supervise(
    config: Config,
    home: Path,
    folder: Path,
    settled: Callable[[Supervisor], None] | None = None,
    *,
    single: bool = False,
) -> None:
    """Until all is stopped. settled: called once, when all run or will not. single: all in one
    process. Raises JournalLocked where a supervisor of this home runs already, BadConfig."""
    given, environ = with_secrets_kept(config, os.environ, folder)
    starter = Starter(given, home=home, folder=folder, environ=environ)

    async def work() -> None:
        supervisor = Supervisor(given, starter, home, single=single)
        await supervisor.run(lambda: settled(supervisor) if settled is not None else None)

    asyncio.run(work())


def main() -> int:
    options = msgspec.json.decode(sys.stdin.buffer.read(), type=SupervisorOptions)
    os.umask(0o077)
    path = Path(options.config) if options.config else None
    try:
        config = load_config(path, os.environ)
        folder = path.parent if path else Path.cwd()
        supervise(config, Path(options.home), folder, single=options.single)
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
