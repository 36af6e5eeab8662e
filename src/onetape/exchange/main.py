"""A simulated exchange's process, of a run's own or under the supervisor: `python -m
onetape.exchange.main`, its options as JSON on standard input. The first line that it writes
is that of `onetape sim`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from onetape.exchange.options import VenueOptions
from onetape.exchange.server import run_venue
from onetape.model.errors import IoFailed, OnetapeError


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # who started us died before it had written us down
        return 0
    options = msgspec.json.decode(text, type=VenueOptions)
    os.umask(0o077)

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def serve(port: int) -> None:
        run_venue(
            options.kind,
            host="127.0.0.1",
            port=port,
            seed=options.seed,
            say=say,
            state=Path(options.state) if options.state else None,
            chain=Path(options.chain) if options.chain else None,
            withdraw=options.withdraw,
        )

    try:
        try:
            serve(options.port)
        except IoFailed:
            if not options.port:
                raise
            serve(0)  # somebody else has taken it meanwhile
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
