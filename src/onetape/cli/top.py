"""Provide `onetape top`: an overview in a terminal."""

from __future__ import annotations

import sys

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.model.errors import UsageError


@verb("top", example="onetape top")
def command(shell: Shell) -> Answer:
    """Show equity and its change today, the profit of each robot, open risk and alerts, refreshed each second.

    Keys: K turns the kill switch on at all accounts (type kill and Enter), a acknowledges an alert by its
    digit, q quits. It needs a terminal, and works over ssh.
    """
    if shell.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("top needs a terminal", location="onetape top", todo="use onetape status --json")
    watch = load("onetape.dashboard.terminal", "watch", what="the first look")
    shell.progress.end()
    watch(shell.running_config, shell.home, shell.config_folder)
    return Answer(None)
