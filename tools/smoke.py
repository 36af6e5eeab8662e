"""Tries an installed package from outside the source tree: does it have all that it needs?"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Import the core, make a page, and let the command set a folder up and check it."""
    from onetape import _core
    from onetape.report.report import render_report
    from onetape.report.report_data import ReportData

    package = importlib.resources.files("onetape")
    for name in ("_core.pyi", "py.typed", "cli/templates/onetape.toml"):
        if not package.joinpath(name).is_file():
            sys.exit(f"the package lacks {name}")
    if len(_core.event_specs()) < 24 or len(render_report(ReportData(title="smoke"))) < 20_000:
        sys.exit("the core or the report is not whole")
    command = Path(sys.executable).with_name("onetape")
    with tempfile.TemporaryDirectory() as folder:
        for verb in ("init", "doctor"):
            done = subprocess.run(
                [str(command), verb, "--json"], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"onetape {verb}: {done.stdout}{done.stderr}")
            json.loads(done.stdout)
        done = subprocess.run(
            [str(command), "bench", "maker_taker", "--runs", "1", "--json"],
            cwd=folder,
            env={"XDG_CACHE_HOME": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not json.loads(done.stdout)["figures"]:
            sys.exit(f"onetape bench: {done.stdout}{done.stderr}")
    print(f"onetape {importlib.metadata.version('onetape')}: the installed package works")


if __name__ == "__main__":
    main()
