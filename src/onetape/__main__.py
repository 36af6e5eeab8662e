"""The command, also as `python -m onetape`."""

from __future__ import annotations

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit. Until it is loaded, Ctrl-C ends the process without a message."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from onetape.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
