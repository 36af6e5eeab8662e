"""Sets rivals up, each in an environment of its own, and times the same work that we time.

    python bench/peers/run.py [--runs N] [NAME...]

Everything lands in build/peers: environments, data and results.json, which `bench/run.py` puts
beside our figures. Same quotes, same orders, one core; start-up and loading are outside the clock,
as they are for us.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[1] / "build" / "peers"
REAL = HERE.parents[1] / "build" / "bench" / "real-1000000.npy"  # made by bench/maker_taker.py
TIMEOUT_S = 900
# name -> packages, pinned: a figure is of one version
ENVIRONMENTS = {
    "nautilus": ["nautilus_trader==1.221.0"],
    "hftbacktest": ["hftbacktest==2.4.4", "numba==0.68.1", "numpy==2.2.6"],
    "vectorbt": ["vectorbt==1.2.0"],
    "backtesting": ["backtesting==0.6.6"],
    "backtrader": ["backtrader==1.9.78.123", "numpy==2.2.6"],
    "freqtrade": ["freqtrade==2026.9"],
}
# task -> (environment, program, arguments); "real" where recorded quotes are at hand, "folder" for
# programs that make their data themselves
TASKS = {
    "nautilus maker": ("nautilus", "nautilus_quotes.py", ["maker", "real"]),
    "nautilus no-op": ("nautilus", "nautilus_quotes.py", ["noop"]),
    "nautilus taker": ("nautilus", "nautilus_quotes.py", ["taker"]),
    "hftbacktest no-op": ("hftbacktest", "hftbacktest_quotes.py", ["noop"]),
    "hftbacktest taker": ("hftbacktest", "hftbacktest_quotes.py", ["taker"]),
    "hftbacktest plain Python": ("hftbacktest", "hftbacktest_quotes.py", ["plain"]),
    "hftbacktest l2 steps": ("hftbacktest", "hftbacktest_l2.py", ["noop", "folder"]),
    "hftbacktest l2 cancel and submit": ("hftbacktest", "hftbacktest_l2.py", ["one", "folder"]),
    "hftbacktest l2 grid": ("hftbacktest", "hftbacktest_l2.py", ["grid", "folder"]),
    "hftbacktest l2 plain Python": ("hftbacktest", "hftbacktest_l2.py", ["plain", "folder"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time rivals on the same work.")
    parser.add_argument("names", nargs="*", help="tasks or environments, all without")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    if not (PLACE / "quotes.npy").exists():
        subprocess.run([sys.executable, str(HERE / "quotes.py"), str(PLACE)], check=True)
    results = previous()
    for task, (environment, program, arguments) in TASKS.items():
        if options.names and task not in options.names and environment not in options.names:
            continue
        python = set_up(environment)
        values, details = [], {}
        for _ in range(options.runs):
            data = PLACE if "folder" in arguments else PLACE / "quotes.npy"
            if "real" in arguments and REAL.exists():
                data = REAL
            call = [str(python), str(HERE / program), str(data), arguments[0]]
            done = subprocess.run(
                call, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S
            )
            details = json.loads(done.stdout.splitlines()[-1])
            values.append(details["events"] / details["seconds"])
        results[task] = {
            "value": statistics.median(values), "min": min(values), "max": max(values),
            "unit": "events/s", "runs": options.runs, "day": time.strftime("%Y-%m-%d"), **details,
        }  # fmt: skip
        middle, least, most = statistics.median(values), min(values), max(values)
        print(f"{task}: {middle:,.0f} events/s ({least:,.0f} to {most:,.0f})")
        content = {"machine": platform.processor() or platform.machine(), "results": results}
        (PLACE / "results.json").write_text(json.dumps(content, indent=1))


def previous() -> dict[str, dict[str, object]]:
    path = PLACE / "results.json"
    if not path.exists():
        return {}
    results: dict[str, dict[str, object]] = json.loads(path.read_text())["results"]
    return results


def set_up(name: str) -> Path:
    """The environment's interpreter; made once, and again if what it holds changed."""
    folder = PLACE / name
    python, mark, wanted = (
        folder / "bin" / "python",
        folder / "ready",
        "\n".join(ENVIRONMENTS[name]),
    )
    if not mark.exists() or mark.read_text() != wanted:
        print(f"setting {name} up", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *ENVIRONMENTS[name]], check=True)
        mark.write_text(wanted)
    return python


if __name__ == "__main__":
    main()
