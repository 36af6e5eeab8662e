"""A process's use of the machine, from the system's counters (Linux, /proc)."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

__all__ = ["Figures"]

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
SPAN_S: Final = 5.0  # averaging time of the share of a core
NOTHING: Final = {"cpu_percent": None, "memory_bytes": None, "open_files": None}


class Figures:
    """Measures the use of some processes. Call `look` for each now and then: a share of a core needs two looks."""

    def __init__(self) -> None:
        self._cpu: dict[int, deque[tuple[float, float]]] = {}  # pid -> (when, seconds of a core)

    def look(self, pid: int) -> None:
        """Notes the process's CPU time so far."""
        spent = _cpu_seconds(pid)
        if spent is None:
            self._cpu.pop(pid, None)
            return
        seen, now = self._cpu.setdefault(pid, deque()), time.monotonic()
        seen.append((now, spent))
        while len(seen) > 2 and seen[1][0] < now - SPAN_S:
            seen.popleft()

    @staticmethod
    def memory(pid: int) -> int:
        """Returns resident bytes; 0 if unknown."""
        try:
            return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
        except (OSError, IndexError):
            return 0

    def keep(self, pids: set[int]) -> None:
        """Drops all others."""
        self._cpu = {pid: seen for pid, seen in self._cpu.items() if pid in pids}

    def of(self, pid: int | None) -> dict[str, Any]:
        """Returns cpu_percent: of one core, over the last seconds; memory_bytes: resident; open_files: descriptors.
        None if unknown."""
        if pid is None:
            return dict(NOTHING)
        self.look(pid)
        percent, seen = None, self._cpu.get(pid, deque())
        if len(seen) > 1 and seen[-1][0] > seen[0][0]:
            percent = round(100 * (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]), 1)
        memory = self.memory(pid)
        files: int | None = None
        try:
            files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except PermissionError:
            pass  # a process with secrets shows them to root alone
        except OSError:
            return dict(NOTHING)
        return {"cpu_percent": percent, "memory_bytes": memory or None, "open_files": files}


def _cpu_seconds(pid: int) -> float | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    after = text.rpartition(")")[2].split()
    return (int(after[11]) + int(after[12])) / TICKS
