"""Measures the figures: runs each program of this folder several times and makes one table.

    python bench/run.py [NAME...] [--runs N] [--json] [--write]

A program prints one JSON object on standard output: a figure
    {"name", "value", "unit", "better": "more"|"less", "reach": wanted value or null,
     "against": {"name", "value"} or null, "note"}
or {"figures": [figure, ...]}, or any nesting of numbers, which are then shown by their path.
`against` is a floor or a rival measured in the same run. What `make peers` measured is put beside
a figure that names it: {"peer": "nautilus no-op"}, or several of the same work, which may be of
a share of it: {"beside": ["nautilus bars", "vectorbt bars"]}. {"tables": [text, ...]} next to
"figures" is shown below them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from place import IS_CLONE, PLACE, ROOT

PEERS = ROOT / "build" / "peers" / "results.json"
PAGES = (ROOT / "docs" / "performance.md", ROOT / "README.md")
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
TIMEOUT_S = 300
MARK = "BENCH_PROGRAM"  # in the environment of all that a program has begun
TIMEOUTS_S = {
    "start": 1_800,  # each verb, a dozen of them with processes
    "long_l2": 1_800,  # eighteen whole processes over fifty million rows
    "year_of_bars": 900,  # its tape is written first, and ten million bars call Python
    "gateway_memory": 1_800,  # a million orders
}
CLONE = "a clone"  # with the sources of the core, and recorded data beside it
HEADLINES = {  # of the first page, by what they need beside the package
    "backtest_quotes": "",
    "compiled_quotes": "numba",
    "journal_core": CLONE,
    "maker_taker": "",
    "replay_l2": CLONE,
    "sim_orders": "",
    "sweep_one_pass": "polars",
    "year_of_bars": "numba",
}
# Places that hold no program of their own.
NOT_FIGURES = {
    *(f"{name}.py" for name in ("run", "turn", "gate", "bare_venue", "market_tapes", "loop", "l2_strategies", "whole")),
    *(f"{name}.py" for name in ("page_home", "place", "live")),
}


@dataclass
class Figure:
    name: str
    unit: str = ""
    better: str = "more"
    reach: float | None = None
    against: str = ""
    headline: bool = False
    beside: list[str] = field(default_factory=list)  # tasks of rivals
    values: list[float] = field(default_factory=list)
    rivals: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """How many times better than what it stands against; below 1 is worse."""
        if not self.rivals or not self.median:
            return None
        rival = statistics.median(self.rivals)
        return self.median / rival if self.better == "more" else rival / self.median

    @property
    def is_reached(self) -> bool | None:
        if self.reach is None:
            return None
        return self.median >= self.reach if self.better == "more" else self.median <= self.reach


def main() -> None:
    options = arguments()
    programs = find(options.names or (list(HEADLINES) if options.headlines else []))
    figures: dict[str, Figure] = {}
    tables: dict[str, list[str]] = {}
    failed: list[str] = []
    absent: list[str] = []
    if options.write:
        forget_tapes()
    for program in programs:
        needs = HEADLINES.get(program.stem)
        if needs and (not IS_CLONE if needs == CLONE else find_spec(needs) is None):
            absent.append(f"{program.stem} (needs {needs})")
            continue
        for number in range(options.runs):
            print(f"{program.stem} {number + 1}/{options.runs}", file=sys.stderr)
            if not run(program, figures, tables):
                failed.append(program.stem)
                break
    beside_peers(figures)
    more = [text for each in tables.values() for text in each]
    table = "\n\n".join([render(figures, options.runs, [*failed, *absent]), *more])
    if options.json:
        print(
            json.dumps(
                {
                    "machine": machine(),
                    "figures": [*map(plain, figures.values())],
                    "failed": failed,
                    "absent": absent,
                    "table": table,
                }
            )
        )
    else:
        print(table)
    if options.write:
        headlines = {name: each for name, each in figures.items() if each.headline}
        write(PAGES[0], table)
        write(PAGES[1], render(headlines or figures, options.runs, []))
    sys.exit(1 if failed else 0)


def forget_tapes() -> None:
    """Figures that are kept are of tapes that were just made, as after an import. One that has come
    back from the disk lies in smaller pieces in the page cache: reading it takes a third longer."""
    for path in PLACE.glob("*"):
        if path.is_dir() and any(path.rglob("*.tape")):
            shutil.rmtree(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the figures of this machine.")
    parser.add_argument("names", nargs="*", help="programs of this folder, all without")
    parser.add_argument("--headlines", action="store_true", help="without names: those of the first page")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into the documents")
    return parser.parse_args()


def find(names: list[str]) -> list[Path]:
    every = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name not in NOT_FIGURES}
    if unknown := [name for name in names if name not in every]:
        print(f"no such figure: {', '.join(unknown)}; there are {', '.join(every)}", file=sys.stderr)
        sys.exit(2)
    return [every[name] for name in names] if names else [*every.values()]


def run(
    program: Path, figures: dict[str, Figure], tables: dict[str, list[str]] | None = None, python: str = sys.executable
) -> bool:
    """Run once and add what it measured. False if it failed; it says why on standard error.

    tables: by program, of its last run. python: the interpreter whose `onetape` is measured.
    """
    limit = TIMEOUTS_S.get(program.stem, TIMEOUT_S)
    # Supervisors are sessions of their own and outlive a process group: what a program has begun is known by its mark.
    mark = str(uuid.uuid4())
    PLACE.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [python, str(program)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT if IS_CLONE else PLACE,
        env={**os.environ, MARK: mark},
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            print(f"{program.name}: over {limit} s", file=sys.stderr)
            end_marked(mark)
            return False
        except BaseException:
            end_marked(mark)
            raise
    if process.returncode:
        print(f"{program.name}: exit {process.returncode}", file=sys.stderr)
        return False
    # One object, over one line or several; what is printed before it is not ours.
    start = output.find("{")
    answer = json.loads(output[start:])
    if tables is not None and "tables" in answer:
        tables[program.stem] = answer["tables"]
    for found in described(answer, program.stem):
        figure = figures.setdefault(
            found["name"],
            Figure(
                found["name"],
                found.get("unit", ""),
                found.get("better", "more"),
                found.get("reach"),
                headline=bool(found.get("headline")),
                beside=found.get("beside", []),
            ),
        )
        figure.values.append(float(found["value"]))
        if against := found.get("against"):
            figure.against = against["name"]
            figure.rivals.append(float(against["value"]))
        elif peer := found.get("peer"):
            figure.against = peer
    return True


def end_marked(mark: str) -> None:
    """Kills the processes that have this in their environment, until there is none: a supervisor starts others."""
    while found := [path for path in Path("/proc").glob("[0-9]*/environ") if has_mark(path, mark)]:
        for path in found:
            with suppress(ProcessLookupError):
                os.kill(int(path.parent.name), signal.SIGKILL)


def has_mark(path: Path, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return False


def described(value: Any, name: str) -> Iterator[dict[str, Any]]:
    if "figures" in value:
        yield from value["figures"]
    elif "value" in value:
        yield {"name": name, **value}
    else:
        yield from flattened(value, name)


def flattened(value: Any, path: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flattened(inner, f"{path} {key.replace('_', ' ')}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        less = any(word in path.split() for word in ("ns", "us", "ms", "seconds", "mb", "p50", "p99"))
        yield {"name": path, "value": value, "better": "less" if less else "more"}


def beside_peers(figures: dict[str, Figure]) -> None:
    """Figures that name a rival's task get what was measured of it on this machine."""
    if not PEERS.is_file():
        for figure in figures.values():
            figure.beside = []
        return
    results = json.loads(PEERS.read_text())["results"]
    for figure in figures.values():
        figure.beside = [shown(name, results[name]) for name in figure.beside if name in results]
        if not figure.rivals and "value" in results.get(figure.against, {}):
            figure.rivals = [float(results[figure.against]["value"])]


def shown(name: str, result: dict[str, Any]) -> str:
    """A rival's result in a cell: its speed, of which share of the work, or why there is none."""
    if reason := result.get("not_available"):
        return f"{name}: NOT_AVAILABLE ({reason})"
    share = f" ({result['share']})" if result.get("share") else ""
    return f"{name}: {show(float(result['value']))}{share}"


def render(figures: dict[str, Figure], runs: int, failed: list[str]) -> str:
    has_beside = any(figure.beside for figure in figures.values())
    lines = [
        f"{machine()}; {runs} runs, median (least to most).",
        "",
        "| figure | | wanted | against | ratio (above 1: better) |" + (" beside |" if has_beside else ""),
        "|---|---|---|---|---|" + ("---|" if has_beside else ""),
    ]
    for figure in figures.values():
        spread = f"{show(min(figure.values))} to {show(max(figure.values))}"
        value = f"**{show(figure.median)}** {figure.unit} ({spread})"
        reach = "" if figure.reach is None else f"{show(figure.reach)} {'✓' if figure.is_reached else '✗'}"
        rival = f"{figure.against}: {show(statistics.median(figure.rivals))}" if figure.rivals else ""
        ratio = "" if figure.ratio is None else show(float(f"{figure.ratio:.2g}"))
        cells = [figure.name, value, reach, rival, ratio]
        cells += ["<br>".join(figure.beside)] if has_beside else []
        lines.append(f"| {' | '.join(cells)} |")
    if failed:
        lines += ["", f"Not measured: {', '.join(failed)}."]
    return "\n".join(lines)


def show(value: float) -> str:
    if value != value:
        return "-"
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):.3g} {sign}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def plain(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "unit": figure.unit,
        "median": figure.median,
        "min": min(figure.values),
        "max": max(figure.values),
        "reach": figure.reach,
        "reached": figure.is_reached,
        "against": figure.against or None,
        "ratio": figure.ratio,
    }


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    day = time.strftime("%Y-%m-%d", time.gmtime())
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {day}, load {load:.1f} at the end"


def write(page: Path, table: str) -> None:
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")
    print(f"wrote {page.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
