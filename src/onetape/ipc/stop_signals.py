"""The signals that ask a command in the foreground to stop."""

from __future__ import annotations

import signal

__all__ = ["stop_signals"]


def stop_signals() -> tuple[signal.Signals, ...]:
    """Returns the signals of Ctrl-C, `kill`, and a closed terminal, except the last under `nohup`."""
    stops = signal.SIGINT, signal.SIGTERM
    return stops if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*stops, signal.SIGHUP)
