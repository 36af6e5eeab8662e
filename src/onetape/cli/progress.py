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
            left = f"  {_clock((total - done) / rate)} left" if rate and part < 1 else ""
        else:
            text, left = f"{self.title} {done:,.0f}", ""
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        sys.stderr.write(f"\r\x1b[2K{text}  {speed}/s{left}")
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


def _clock(seconds: float) -> str:
    """1:05, or 2:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
