"""Which signals ask a command in the foreground to stop."""

from __future__ import annotations

import signal

__all__ = ["stop_signals"]


def stop_signals() -> tuple[signal.Signals, ...]:
    """Returns Ctrl-C, what `kill` sends, and that the terminal was closed, which under `nohup` ends nothing."""
    stops = signal.SIGINT, signal.SIGTERM
    return stops if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*stops, signal.SIGHUP)
