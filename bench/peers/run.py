"""Sets rivals up, each in an environment of its own, and times the same work that we time.

    python bench/peers/run.py [--runs N] [NAME...]

A rival that cannot be set up or run here is NOT_AVAILABLE, with the reason. One that is too slow
for all of the work gets a share of it, which stands beside its figure; nothing is extrapolated.

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

FOLDER = Path(__file__).resolve().parent
PLACE = FOLDER.parents[1] / "build" / "peers"
REAL = FOLDER.parents[1] / "build" / "bench" / "real-1000000.npy"  # made by bench/maker_taker.py
BARS = PLACE / "year-of-bars.npy"
CAPTURE = FOLDER.parents[1] / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
TIMEOUT_S = 900
SET_UP_TIMEOUT_S = 600
# name -> packages, pinned: a figure is of one version
ENVIRONMENTS = {
    "nautilus": ["nautilus_trader==1.221.0"],
    "hftbacktest": ["hftbacktest==2.4.4", "numba==0.68.1", "numpy==2.2.6"],
    "vectorbt": ["vectorbt==1.2.0"],
    "backtesting": ["backtesting==0.6.6"],
    "backtrader": ["backtrader==1.9.78.123", "numpy==2.2.6"],
    "freqtrade": ["freqtrade==2026.9"],
    "cryptofeed": ["cryptofeed==2.4.1"],
    "ccxt": ["ccxt==4.5.90"],
}
# task -> (environment, program, arguments); "real" where recorded quotes are at hand, "folder" for
# programs that make their data themselves, "capture" for those that read a venue's messages
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
    "vectorbt bars": ("vectorbt", "vectorbt_bars.py", ["year", "bars"]),
    "vectorbt sweep": ("vectorbt", "vectorbt_sweep.py", ["year", "bars"]),
    "nautilus bars": ("nautilus", "nautilus_bars.py", ["10", "bars"]),
    "nautilus portfolio": ("nautilus", "nautilus_portfolio.py", ["30", "bars"]),
    "backtrader bars": ("backtrader", "backtrader_bars.py", ["10", "bars"]),
    "backtesting.py bars": ("backtesting", "backtesting_bars.py", ["10", "bars"]),
    "freqtrade bars": ("freqtrade", "freqtrade_bars.py", ["10", "bars"]),
    "cryptofeed bookTicker": ("cryptofeed", "cryptofeed_decode.py", ["bookTicker", "capture"]),
    "cryptofeed depth": ("cryptofeed", "cryptofeed_decode.py", ["depth", "capture"]),
    "ccxt.pro bookTicker": ("ccxt", "ccxt_decode.py", ["bookTicker", "capture"]),
    "ccxt.pro depth": ("ccxt", "ccxt_decode.py", ["depth", "capture"]),
}
# Of the bars of a year; the rest runs all of them.
SHARES = {"10": "10 days of 365", "30": "30 days of 365, two symbols"}
# What a rival's run leaves out of what ours does with the same bars, as it is set up here.
LEFT_OUT = {
    "vectorbt bars": "latency, partial fills, volume caps, order book, order states, liquidation,"
    " funding; sees the whole year as arrays at once",
    "vectorbt sweep": "latency, partial fills, volume caps, order states, liquidation, funding",
    "nautilus bars": "latency and volume caps (not set), funding, liquidation",
    "nautilus portfolio": "weights, netting into one position a symbol, virtual fills, latency, funding, liquidation",
    "backtrader bars": "latency, partial fills, volume caps, order book, lots and ticks, liquidation, funding",
    "backtesting.py bars": "latency, partial fills, volume caps, order book, lots and ticks,"
    " funding; one symbol a run, each with all the cash",
    "freqtrade bars": "latency, partial fills, volume caps, order book; signals as arrays",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time rivals on the same work.")
    parser.add_argument("names", nargs="*", help="tasks or environments, all without")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    if not (PLACE / "quotes.npy").exists():
        subprocess.run([sys.executable, str(FOLDER / "quotes.py"), str(PLACE)], check=True)
    results = previous()
    for task, (environment, program, arguments) in TASKS.items():
        if options.names and task not in options.names and environment not in options.names:
            continue
        if "capture" in arguments and not CAPTURE.exists():
            not_available(results, task, "the recorded capture is not here")
            continue
        try:
            python = set_up(environment)
        except (subprocess.SubprocessError, OSError) as problem:
            not_available(results, task, f"{environment} does not install: {said(problem)}")
            continue
        values, wholes, details = [], [], {}
        for _ in range(options.runs):
            data = PLACE if "folder" in arguments else PLACE / "quotes.npy"
            if "real" in arguments and REAL.exists():
                data = REAL
            if "capture" in arguments:
                data = CAPTURE
            if "bars" in arguments:
                data = BARS
                if not BARS.exists():
                    subprocess.run([str(python), str(FOLDER / "bars.py"), str(PLACE)], check=True)
            call = [str(python), str(FOLDER / program), str(data), arguments[0]]
            began = time.perf_counter()
            try:
                done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S)
            except subprocess.SubprocessError as problem:
                not_available(results, task, said(problem))
                break
            wholes.append(time.perf_counter() - began)
            details = json.loads(done.stdout.splitlines()[-1])
            if "not_available" in details:
                not_available(results, task, details["not_available"])
                break
            values.append(details["events"] / details["seconds"])
        if len(values) < options.runs:
            continue
        results[task] = {
            "value": statistics.median(values),
            "min": min(values),
            "max": max(values),
            "unit": "events/s",
            "runs": options.runs,
            "day": time.strftime("%Y-%m-%d"),
            "process_seconds": statistics.median(wholes),
            **details,
        }
        if "bars" in arguments:
            results[task]["share"] = SHARES.get(arguments[0], "")
            results[task]["left_out"] = LEFT_OUT[task]
        middle, least, most = statistics.median(values), min(values), max(values)
        print(f"{task}: {middle:,.0f} events/s ({least:,.0f} to {most:,.0f})")
        write(results)


def not_available(results: dict[str, dict[str, object]], task: str, reason: str) -> None:
    print(f"{task}: NOT_AVAILABLE: {reason}")
    results[task] = {"not_available": reason}
    write(results)


def said(problem: BaseException) -> str:
    if isinstance(problem, subprocess.TimeoutExpired):
        return f"over {problem.timeout:.0f} s"
    if isinstance(problem, subprocess.CalledProcessError):
        return f"exit {problem.returncode}, see above"
    return str(problem)


def write(results: dict[str, dict[str, object]]) -> None:
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
    python, mark, wanted = (folder / "bin" / "python", folder / "ready", "\n".join(ENVIRONMENTS[name]))
    if not mark.exists() or mark.read_text() != wanted:
        print(f"setting {name} up", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *ENVIRONMENTS[name]], check=True, timeout=SET_UP_TIMEOUT_S)
        mark.write_text(wanted)
    return python


if __name__ == "__main__":
    main()
