"""Draw a progress line for long work: on a terminal, from its third second on, removed at its end.

The worker only stores its progress, which costs two stores; a thread reads that a few times a
second and draws. So there is a line, with the elapsed time, even without any progress stored.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Final

from onetape.model.shown import shown as safe

__all__ = ["Progress"]

BEGIN_S: Final = 2.0  # seconds before the line appears
REDRAW_S: Final = 0.25
WIDTH: Final = 24  # of the bar
COLUMNS: Final = 80  # of a terminal of unknown width
ERASE: Final = "\r\x1b[2K"
_SIZES: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


class Progress:
    """Stores the progress of work: called with (done, total). total None or 0: unknown.

    A reusable context: the line is drawn while the context is entered. shown: False draws nothing. A thread draws
    directly to the terminal, as `sys.stderr` may be in use.
    """

    def __init__(self, title: str, *, shown: bool, begin_s: float = BEGIN_S) -> None:
        self.title = title
        self.shown = shown
        self.unit = ""
        self._begin_s = begin_s
        self._words = ""
        self._done: float = 0
        self._total: float | None = None
        self._from: tuple[float, float] | None = None  # time and value of the first progress
        self._began = 0.0
        self._is_drawn = False
        self._drawing = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, done: float, total: float | None = None) -> None:
        if done < self._done:  # a new pass begins
            self._from = None
        self._done, self._total = done, total

    def of(self, unit: str) -> Progress:
        """Set the counted unit, `bytes` or a plural such as `events`. Returns self."""
        self.unit = unit
        return self

    def doing(self, words: str) -> None:
        """Set the text of the current activity."""
        if words != self._words:
            self._words = words
            self._done, self._total, self._from = 0, None, None

    def say(self, line: str) -> None:
        """Print a permanent line above this one."""
        with self._drawing, suppress(OSError):  # a closed terminal takes no more
            print(f"{ERASE if self._is_drawn else ''}{safe(line)}", file=sys.stderr, flush=True)
            self._is_drawn = False

    def end(self) -> None:
        """Remove the line."""
        if self._thread is None:
            return
        self._end.set()
        self._thread.join()
        self._thread = None
        if self._is_drawn:
            self._is_drawn = False
            _write(ERASE)

    def __enter__(self) -> Progress:
        self.end()
        self._began = time.monotonic()
        self.doing("")
        if self.shown:
            self._end.clear()
            self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _draw(self) -> None:
        pause = self._begin_s
        while not self._end.wait(pause):
            pause = REDRAW_S
            now = time.monotonic()
            if self._from is None and self._done:
                self._from = now, self._done
            with self._drawing:
                # Cursor left at the start of the line: other output does not continue it.
                _write(f"{ERASE}{self.line(now, _columns() - 1)}\r")
                self._is_drawn = True

    def line(self, now: float, columns: int = 1000) -> str:
        """Returns the line's text. now: monotonic clock, s. A line longer than `columns` loses words, not figures."""
        done, total, first = self._done, self._total, self._from
        parts = [self.title]
        seconds, came = (now - first[0], done - first[1]) if first else (0.0, 0.0)
        rate = came / seconds if seconds > 0 else 0.0
        if total:
            part = min(done / total, 1.0)
            parts += [f"{'━' * int(part * WIDTH):<{WIDTH}} {part:.0%}"]
        if done and self.unit:
            of = f" of {self._amount(total)}" if total else ""
            parts.append(f"{self._amount(done)}{of} {self.unit}".removesuffix(" bytes"))
        if rate and self.unit:
            parts.append(f"{self._amount(rate)}/s")
        if rate and total and done < total:
            parts.append(f"{_clock((total - done) / rate)} left")
        else:
            parts.append(_clock(now - self._began))
        if words := safe(self._words):
            room = columns - len("  ".join(parts)) - len(": ")
            parts[0] += f": {words if len(words) <= room else f'{words[: max(room - 1, 0)]}…'}"
        return "  ".join(parts)[:columns]

    def _amount(self, count: float) -> str:
        if self.unit == "bytes":
            for size, name in _SIZES:
                if count >= size:
                    return f"{count / size:,.1f} {name}"
            return f"{count:.0f} B"
        return f"{count:,.0f}" if count >= 10 or count == int(count) else f"{count:.2g}"


def _write(text: str) -> None:
    data = text.encode("utf-8", "replace")
    with suppress(OSError):  # the terminal was closed
        while data:
            data = data[os.write(sys.stderr.fileno(), data) :]


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS
    except OSError:
        return COLUMNS


def _clock(seconds: float) -> str:
    """Returns 1:05, or 2:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
