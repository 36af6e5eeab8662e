"""Making a report of 100,000 fills over a million samples of equity, its size, and how soon a
browser has it drawn (where one is installed)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from example_report import example

from onetape.report.report import write_report
from onetape.report.report_json import write_report_json
from onetape.report.summary import analyze, summarize

FILLS, POINTS = 100_000, 1_000_000
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"


def main() -> None:
    data = example(FILLS, points=POINTS)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        began = time.perf_counter()
        # What a backtest does after its loop: statistics, page, and the same for programs.
        analysis = analyze(data)
        data.stats = summarize(data, orders=FILLS, analysis=analysis)
        write_report(data, page, analysis)
        write_report_json(data, page.with_suffix(".json"), analysis)
        seconds = time.perf_counter() - began
        less = {"better": "less"}
        figures = [
            {"name": "report of 100,000 fills", "value": seconds, "unit": "s", "reach": 3.0, **less},
            {"name": "size of that report", "value": page.stat().st_size / 1e6, "unit": "MB", "reach": 5, **less},
        ]
        if BROWSER is not None:
            figures.append(
                {
                    "name": "drawing that report in a browser",
                    "value": drawn(page, Path(folder)),
                    "unit": "s",
                    "reach": 1.0,
                    **less,
                }
            )
    print(json.dumps({"figures": figures}))


def drawn(page: Path, folder: Path) -> float:
    """Seconds from the start of navigation until the page's script has drawn everything, as the
    page itself notes it; without the browser's own start."""
    call = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={folder}/profile", "--dump-dom"]
    done = subprocess.run([*call, page.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r'data-ready-ms="(\d+)"', done.stdout)
    if found is None:
        sys.exit("the page did not come up")
    return int(found[1]) / 1000


main()
