"""The exclusive right to trade on an account: held by its gateway while it runs, or by the guardian while it acts for a
dead one. It is one lock, which ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from onetape.ipc.names import process_socket
from onetape.model.sections import GUARDIAN

__all__ = ["Fence"]

_SUFFIX: Final = ".fence"


class Fence:
    """The lock of one account. holder: the name written into it, for others that find it taken."""

    def __init__(self, home: Path, account: str, *, holder: str) -> None:
        self.path = process_socket(home, f"gateway:{account}").with_suffix(_SUFFIX)
        self._holder = holder
        self._fd = -1

    @property
    def is_held(self) -> bool:
        """Tells whether this process holds it."""
        return self._fd >= 0

    def take(self) -> bool:
        """Takes it if it is free; returns whether this process holds it now."""
        if self._fd >= 0:
            return True
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {self._holder}\n".encode(), 0)
        self._fd = fd
        return True

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def is_of_guardian(self) -> bool:
        """Tells whether the guardian had it last."""
        return self.path.read_text().rstrip().endswith(f" {GUARDIAN}") if self.path.exists() else False
