"""`onetape analyze`: a run as tables."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, load, rows, verb


@verb("analyze", example="onetape analyze RUN --db sqlite:///runs.db")
@click.argument("run")
@click.option("--db", default="", metavar="URL", help="sqlite:///FILE, postgresql://USER@HOST/NAME "
              "or mariadb://USER@HOST/NAME; or env:NAME or file:PATH, which has it.")  # fmt: skip
@click.option("--parquet", type=click.Path(path_type=Path), metavar="DIR",
              help="The same tables as files in a new folder.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Keep the tables current until the run has ended.")
@click.option("--states/--no-states", default=True, help="The robot's state after each step, by "
              "running the run again.")  # fmt: skip
@click.option("--prefix", default="", help="Before the names of all tables.")
def command(
    shell: Shell, run: str, db: str, parquet: Path | None, follow: bool, states: bool, prefix: str
) -> Answer:
    """Project a run into SQL or Parquet: runs, events, decisions, orders, fills, states.

    RUN is a path or a name under HOME/runs. Another time the rows of this run take the place of the
    first ones; nothing else in the database is touched.
    """
    analyze = load("onetape.services.analyze", "analyze_run", what="analyze")
    with shell.progress("analyze") as progress:
        found = analyze(
            shell.run_path(run), db=db, prefix=prefix, parquet=parquet, states=states,
            follow=follow, progress=progress,
        )  # fmt: skip
    return Answer(found, rows(found))
