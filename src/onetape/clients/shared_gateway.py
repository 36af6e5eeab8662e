"""Several robots on one gateway: a second robot joins the running one, and the process that started it stays until the
others have left. Concurrent starts wait for each other."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from onetape.model.errors import BadConfig, ProcessDown
from onetape.options.gateway import gateway_socket
from onetape.security.private import private_folder

__all__ = ["check_followed", "starting", "wait_for_others"]

LOOK_S: Final = 0.2


class Asks(Protocol):
    def ask(self, do: str, **fields: Any) -> dict[str, Any]: ...


@contextmanager
def starting(home: Path, account: str) -> Iterator[None]:
    """Lets one process at a time start an account's gateway; the lock ends with its holder."""
    path = gateway_socket(home, account).with_suffix(".lock")
    private_folder(path.parent)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def check_followed(client: Asks, symbols: Sequence[str]) -> None:
    """Raises BadConfig for symbols that the running gateway does not follow."""
    followed = client.ask("status")["symbols"]
    missing = [symbol for symbol in symbols if symbol not in followed]
    if missing:
        raise BadConfig(
            f"the account's gateway runs, and does not follow {', '.join(missing)}",
            location="--live",
            todo=f"it follows {', '.join(followed)}: trade these, or stop the robots that use it",
        )


def wait_for_others(client: Asks) -> None:
    """Waits until the gateway has no robots left, or for Ctrl-C."""
    said = False
    try:
        while others := client.ask("status")["robots"]:
            if not said:
                said = True
                sys.stderr.write(
                    f"{others} more robots on this gateway: it runs until they have left (Ctrl-C ends it now)\n"
                )
            time.sleep(LOOK_S)
    except (KeyboardInterrupt, ProcessDown):
        return
