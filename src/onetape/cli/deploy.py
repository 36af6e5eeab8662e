"""Provide `onetape deploy`: the hosts of the configuration, over ssh."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import aligned
from onetape.model.errors import BadConfig, ProcessDown


@verb("deploy", example="onetape deploy --check\nonetape deploy\nonetape deploy tokyo-1 --rollback")
@click.argument("hosts", nargs=-1, metavar="[HOST...]")
@click.option("--check", is_flag=True, help="Bring it and check it there; stop and start nothing.")
@click.option("--rollback", is_flag=True, help="Back to the release before.")
@click.option("--wheel", type=click.Path(path_type=Path), help="The package [default: the one that runs here].")
def command(shell: Shell, hosts: tuple[str, ...], check: bool, rollback: bool, wheel: Path | None) -> Answer:
    """Bring the package, the configuration and the strategies to the hosts that have `ssh`, and start them with it.

    All hosts are prepared and checked first. Then one after the other is stopped and started; a host whose processes
    do not run as before goes back to its previous release, and the others stay as they are. Secrets are not brought.
    """
    if shell.config_path is None:
        raise BadConfig("there is no configuration", location="onetape.toml", todo="onetape init --cluster")
    work = load("onetape.cluster.deploy", "deploy", what="the cluster")
    rows, failed = work(
        shell.config,
        shell.config_path,
        hosts,
        os.environ,
        wheel=wheel,
        check=check,
        rollback=rollback,
        doing=shell.progress.doing,
    )
    error = ProcessDown(failed) if failed else None
    return Answer.of_check({"hosts": rows}, error, _text(rows))


def _text(rows: list[dict[str, Any]]) -> str:
    lines: list[tuple[str, ...]] = [("host", "state", "version", "step", "time", "result")]
    for row in rows:
        first = (row["host"], row["state"], row["version"])
        for number, each in enumerate(row["steps"] or [{"step": "-", "seconds": 0, "text": "-", "state": "ok"}]):
            result = each["text"] if each["state"] == "ok" else f"failed: {each['text']}"
            lines.append((*(("", "", "") if number else first), each["step"], f"{each['seconds']:g} s", result))
    return "\n".join(aligned(lines))
