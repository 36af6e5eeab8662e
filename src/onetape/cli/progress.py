"""A progress bar for a terminal. In a pipe it is silent and costs a comparison."""

from __future__ import annotations

import sys
import time
from types import TracebackType

REDRAW_S = 0.1  # ten times a second is smooth and costs nothing
WIDTH = 32


class Progress:
    """Called with (done, total) as work goes on; total None or 0 means the end is not known."""

    def __init__(self, title: str, *, shown: bool) -> None:
        self.title = title
        self.shown = shown
        self._began = time.monotonic()
        self._next = self._began
        self._drawn = False

    def __call__(self, done: float, total: float | None = None) -> None:
        if not self.shown:
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + REDRAW_S
        self._drawn = True
        rate = done / max(now - self._began, 1e-9)
        if total:
            part = min(done / total, 1.0)
            bar = "━" * int(part * WIDTH)
            text = f"{self.title} {bar:<{WIDTH}} {part:4.0%}"
        else:
            text = f"{self.title} {done:,.0f}"
        sys.stderr.write(f"\r\x1b[2K{text}  {rate:,.0f}/s")
        sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
