"""The process of a simulated exchange, for a single run or under the supervisor: `python -m onetape.exchange.main`,
with its options as JSON on standard input. Its first line of output is the same as that of `onetape sim`."""

from __future__ import annotations

import sys

import msgspec

from onetape.exchange.options import VenueOptions
from onetape.exchange.server import run_venue
from onetape.ipc.process import run_process, say
from onetape.model.errors import IoFailed


def main() -> int:
    return run_process(VenueOptions, _run)


def _run(options: VenueOptions) -> None:
    try:
        run_venue(options, say)
    except IoFailed:
        if not options.port:
            raise
        run_venue(msgspec.structs.replace(options, port=0), say)  # another process has taken the port


if __name__ == "__main__":
    sys.exit(main())
