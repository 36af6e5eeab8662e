"""A simulated exchange's process, of a run's own or under the supervisor: `python -m
onetape.exchange.main`, its options as JSON on standard input. The first line that it writes
is that of `onetape sim`."""

from __future__ import annotations

import os
import sys

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

    try:
        try:
            run_venue(options, say)
        except IoFailed:
            if not options.port:
                raise
            run_venue(msgspec.structs.replace(options, port=0), say)  # somebody else has taken it meanwhile
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
