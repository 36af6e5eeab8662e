"""`onetape init`: a folder to begin in."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import NotAvailable, UsageError

# What is written -> the package and file it comes from.
TEMPLATES = {
    "onetape.toml": ("onetape.cli", "templates/onetape.toml"),
    "strategies/market_maker.py": ("onetape.cli", "templates/market_maker.py"),
    "strategies/cross.py": ("onetape.strategies", "cross.py"),
}
NEXT_STEPS = """\
wrote {names}

Next:
{cd}  onetape doctor                                       is everything in place?
  onetape sample --out market.tape                     a market to try it on
  onetape backtest strategies/cross.py --data market.tape
  onetape run strategies/market_maker.py --paper       the robot of onetape.toml, on paper
  onetape up                                           all of onetape.toml; then status, fills, down
"""


@verb("init", example="onetape init trading")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
@click.option("--deploy", is_flag=True, help="Also units for a server (a later release).")
def command(shell: Shell, folder: Path, deploy: bool) -> Answer:
    """Write a commented onetape.toml and two example strategies into DIR [default: here].

    Nothing is overwritten: if one of the files exists, none is written.
    """
    if deploy:
        raise NotAvailable(
            "`onetape init --deploy` is not part of this release", todo="docs/roadmap.md says when"
        )
    targets = {folder / name: template for name, template in TEMPLATES.items()}
    if existing := [str(path) for path in targets if os.path.lexists(path)]:
        raise UsageError(
            "will not overwrite", where=", ".join(existing), todo="name another folder"
        )
    for path, (package, name) in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # "x": a file that appeared meanwhile is not overwritten either.
        with path.open("x", encoding="utf-8") as out:
            out.write(files(package).joinpath(name).read_text(encoding="utf-8"))
    written = [str(path) for path in targets]
    cd = "" if folder == Path() else f"  cd {folder}\n"
    return Answer(
        {"folder": str(folder.absolute()), "written": written},
        NEXT_STEPS.format(names=", ".join(written), cd=cd).rstrip(),
    )
