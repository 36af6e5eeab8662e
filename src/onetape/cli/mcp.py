"""Provide `onetape mcp`: the control plane for agents."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from onetape.cli import hedging
from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import NotAvailable, UsageError


@verb("mcp", example="onetape mcp --read-only\nonetape mcp --token-file agent.token\nonetape mcp --offline")
@click.option(
    "--read-only", is_flag=True, help="No tools that trade, whatever the token's scope, or that run a strategy."
)
@click.option("--offline", is_flag=True, help="Only backtest, sweep and report: no control plane is needed.")
@hedging.TOKEN_FILE
def command(shell: Shell, read_only: bool, offline: bool, token_file: Path | None) -> Answer:
    """Serve the control plane as tools of the Model Context Protocol on standard input and output, until the input
    ends.

    Reading tools are always available; trading tools need a token with the scope trade, and a dry run
    of the same arguments within the last minute. Each call to it is on the tape of the control plane.

    backtest, sweep and report are the tools of this machine, for files of the configuration's folder and of the home.
    """
    if shell.json:
        raise UsageError("standard output carries the protocol", location="onetape mcp", todo="remove --json")
    try:
        from onetape.cli.agent_tools import local_tools
        from onetape.control.mcp_server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("onetape"):
            raise
        raise NotAvailable(f"{error.name} is not installed", todo="pip install 'onetape[mcp]'") from None
    shell.progress.end()
    if offline and token_file is not None:
        raise UsageError("without a control plane nobody checks a token", location="--token-file", todo="remove it")
    reached = None if offline else hedging.reached(shell, token_file)
    asyncio.run(serve(reached, read_only=read_only, local=local_tools(shell, read_only=read_only)))
    return Answer(None)
