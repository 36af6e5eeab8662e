"""A command that somebody runs on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

from onetape.cli.progress import ERASE
from onetape.supervisor.fork_server import is_readable
from waiting import PATIENCE_S

__all__ = ["Terminal"]


class Terminal:
    """A Python program whose standard error is a pseudo terminal."""

    def __init__(self, *arguments: object, cwd: Path) -> None:
        self.ours, theirs = pty.openpty()
        self.said = ""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env=clean,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self.ours)

    def until(self, pattern: str) -> str:
        """What it has said, once that is in it."""
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.said):
            assert self._read() and time.monotonic() < deadline, (pattern, self.said)
        return self.said

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> tuple[str, str]:
        """Standard output, and what is left to see on the terminal."""
        while self._read():
            pass
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return out, self.said.rpartition(ERASE)[2].replace("\r\n", "\n")

    def _read(self) -> bool:
        assert is_readable(self.ours, PATIENCE_S), self.said
        try:
            data = os.read(self.ours, 65536)
        except OSError:  # nobody has its other end any more
            return False
        self.said += data.decode()
        return bool(data)
