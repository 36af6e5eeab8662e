"""Provide `onetape mcp`: the control plane for agents."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from onetape.cli import hedging
from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import NotAvailable, UsageError


@verb("mcp", example="onetape mcp --read-only\nonetape mcp --token-file agent.token")
@click.option("--read-only", is_flag=True, help="No tools that trade, whatever the token's scope.")
@hedging.TOKEN_FILE
def command(shell: Shell, read_only: bool, token_file: Path | None) -> Answer:
    """Serve the control plane as tools of the Model Context Protocol on standard input and output, until the input
    ends.

    Reading tools are always available; trading tools need a token with the scope trade, and a dry run
    of the same arguments within the last minute. Each call is on the tape of the control plane.
    """
    if shell.json:
        raise UsageError("standard output carries the protocol", location="onetape mcp", todo="remove --json")
    try:
        from onetape.control.mcp_server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("onetape"):
            raise
        raise NotAvailable(f"{error.name} is not installed", todo="pip install 'onetape[mcp]'") from None
    shell.progress.end()
    asyncio.run(serve(hedging.reached(shell, token_file), read_only=read_only))
    return Answer(None)
