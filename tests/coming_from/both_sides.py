"""One strategy in another system and here, on the same generated data: which fills each has.

    python tests/coming_from/both_sides.py --setup [RIVAL...]     # make build/envs/RIVAL
    python tests/coming_from/both_sides.py --keep [RIVAL...]      # run both, write trades.json, print the page's table

Ours is run by the very commands of the page docs/tutorial/coming-from-RIVAL.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
ENVIRONMENTS = ROOT / "build" / "envs"
RUN_TIMEOUT_S = 300
SHOWN = 4  # fills that the page's table shows one by one
FIELDS = ("side", "quantity", "time", "price")


@dataclass(frozen=True)
class Rival:
    """Another system. name: of its folder and environment. prefix: of its files. data: the file that the page's
    commands make. packages: pinned, because fills are those of one version. alone: the first package is installed
    without its requirements, because they contradict each other; the other packages are those that a run needs."""

    name: str
    title: str
    prefix: str
    data: str
    packages: tuple[str, ...]
    alone: bool = False

    @property
    def version(self) -> str:
        return self.packages[0].partition("==")[2]

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def page(self) -> Path:
        return ROOT / "docs" / "tutorial" / f"coming-from-{self.name.replace('_', '-')}.md"

    @property
    def source(self) -> Path:
        """The file that the page shows, or a part of."""
        return self.folder / f"{self.prefix}_theirs.py"

    @property
    def program(self) -> Path:
        """Runs it."""
        starter = self.folder / f"{self.prefix}_run.py"
        return starter if starter.exists() else self.source

    @property
    def our_source(self) -> Path:
        return self.folder / f"{self.prefix}_ours.py"


HFTBACKTEST = ("hftbacktest==2.4.4", "numba==0.68.1", "numpy==2.2.6")
# Without the libraries of single exchanges, of which decibel-python-sdk and web3 need different versions of websockets.
HUMMINGBOT = (
    "hummingbot==20260922",
    "aiohttp==3.14.5",
    "aioprocessing==2.0.1",
    "async-timeout==4.0.3",
    "base58==2.1.1",
    "bidict==0.24.1",
    "cachetools==8.0.2",
    "eth-account==0.14.0",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "prompt_toolkit==3.0.53",
    "protobuf==7.36.2",
    "psutil==7.2.2",
    "pydantic==2.14.4",
    "PyYAML==6.0.4",
    "ruamel.yaml==0.19.1",
    "scipy==1.17.1",
    "SQLAlchemy==2.1.9",
    "tabulate==0.10.0",
    "ujson==6.1.0",
)
RIVALS = {
    rival.name: rival
    for rival in (
        Rival("freqtrade", "freqtrade", "freqtrade", "BTC_USDT_USDT-1m-futures.json", ("freqtrade==2026.9",)),
        Rival("nautilus_trader", "NautilusTrader", "nautilus", "quotes.csv", ("nautilus_trader==1.221.0",)),
        Rival("vectorbt", "vectorbt", "vectorbt", "bars.csv", ("vectorbt==1.2.0",)),
        Rival("hftbacktest", "hftbacktest", "hftbacktest", "depth.npz", HFTBACKTEST),
        Rival("vnpy", "vnpy", "vnpy", "bars.csv", ("vnpy==4.5.0", "vnpy_ctastrategy==1.4.1")),
        Rival("hummingbot", "Hummingbot", "hummingbot", "bars.csv", HUMMINGBOT, alone=True),
    )
}


def environment(rival: Rival) -> Path | None:
    """Returns the Python of a rival's environment, None if it is missing or of other versions."""
    stamp = ENVIRONMENTS / rival.name / "installed.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != list(rival.packages):
        return None
    return stamp.parent / "bin" / "python"


def set_up(rival: Rival) -> Path:
    """Makes the environment. Raises subprocess.CalledProcessError if pip cannot."""
    if found := environment(rival):
        return found
    place = ENVIRONMENTS / rival.name
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    first, *rest = rival.packages
    if rival.alone:
        subprocess.run([*pip, "--no-deps", first], check=True)
        subprocess.run([*pip, *rest], check=True)
    else:
        subprocess.run([*pip, *rival.packages], check=True)
    (place / "installed.json").write_text(json.dumps(rival.packages))
    return place / "bin" / "python"


def commands(rival: Rival) -> list[str]:
    """Returns the commands of the page's first block of a shell."""
    block = re.search(r"```sh\n(.*?)```", rival.page.read_text(), re.DOTALL)
    assert block is not None, f"{rival.page.name} has no commands"
    return [line.strip() for line in block[1].splitlines() if line.strip()]


def ours(rival: Rival, place: Path) -> dict[str, Any]:
    """Runs the page's commands in `place` and returns profit and fills of the run that the last one names."""
    from onetape import open as open_run

    variables = {**os.environ, "ONETAPE_HOME": str(place / "home")}
    for line in commands(rival):
        words = [str(ROOT / word) if word.startswith("tests/") else word for word in shlex.split(line)]
        tool = str(Path(sys.executable).parent / words[0])
        done = subprocess.run(
            [tool, *words[1:]], cwd=place, env=variables, capture_output=True, text=True, timeout=RUN_TIMEOUT_S
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    run = open_run(place / "home" / "runs" / words[words.index("--out") + 1])
    rows = run.fills.select("side", "qty", "ts_event", "price").rows()
    return {"profit": float(run.stats["pnl"]), "trades": [list(row) for row in rows]}


def theirs(rival: Rival, python: Path, data: Path) -> dict[str, Any]:
    """Runs the rival's program over `data`. Returns its version, profit and fills, as ours()."""
    done = subprocess.run(
        [str(python), str(rival.program), str(data)], capture_output=True, text=True, timeout=RUN_TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {**found, "trades": [[row[field] for field in FIELDS] for row in found["trades"]]}


def kept(rival: Rival) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((rival.folder / "trades.json").read_text())
    return content


def deviations(their_trades: list[list[Any]], our_trades: list[list[Any]]) -> list[dict[str, Any]]:
    """Returns the fills that differ: their number, and ours in each field that differs. Raises AssertionError if
    fills are missing other than at the end of ours."""
    assert len(our_trades) <= len(their_trades)
    found: list[dict[str, Any]] = []
    for number, (their, our) in enumerate(zip(their_trades, our_trades, strict=False)):
        fields = {field: b for field, a, b in zip(FIELDS, their, our, strict=True) if a != b}
        if fields:
            found.append({"trade": number, **fields})
    return [*found, *({"trade": number, "missing": True} for number in range(len(our_trades), len(their_trades)))]


def table(rival: Rival, content: dict[str, Any]) -> str:
    """Returns the page's table: the first fills, their number and quantity, profit."""
    local = content["ours"]
    rows = [f"| | {rival.title} {content['version']} | onetape |", "|---|---|---|"]
    for number in range(SHOWN):
        their = content["trades"][number]
        differs = next((each for each in content["deviations"] if each["trade"] == number), {})
        our = [differs.get(field, value) for field, value in zip(FIELDS, their, strict=True)]
        rows.append(f"| fill {number + 1} | {_fill_text(their)} | {'the same' if our == their else _fill_text(our)} |")
    counts = len(content["trades"]), local["fills"]
    sums = round(sum(row[1] for row in content["trades"]), 6), local["quantity"]
    rows.append(f"| fills | {counts[0]} | {counts[1]} |")
    rows.append(f"| sum of quantities, BTC | {sums[0]:.2f} | {sums[1]:.2f} |")
    rows.append(f"| profit, USDT | {content['profit']:.4f} | {local['profit']:.4f} |")
    return "\n".join(rows) + "\n"


def _fill_text(fill: list[Any]) -> str:
    side, quantity, time, price = fill
    moment = datetime.fromtimestamp(time // 10**9, UTC).strftime("%H:%M:%S")
    rest = f".{time % 10**9:09}".rstrip("0").rstrip(".")
    return f"{moment}{rest} {side} {quantity} at {price}"


def keep(rival: Rival, place: Path) -> str:
    """Runs both, writes trades.json but for the words of its `why`, and returns the page's table."""
    python = environment(rival)
    assert python is not None, f"no environment for {rival.name}: --setup makes it"
    our = ours(rival, place)
    their = theirs(rival, python, place / rival.data)
    path = rival.folder / "trades.json"
    content = {
        "rival": rival.title,
        "version": their["version"],
        "profit": round(their["profit"], 9),
        "ours": {
            "fills": len(our["trades"]),
            "quantity": round(sum(row[1] for row in our["trades"]), 6),
            "profit": our["profit"],
        },
        "why": json.loads(path.read_text())["why"] if path.exists() else {},
        "deviations": deviations(their["trades"], our["trades"]),
        "trades": their["trades"],
    }
    lists = {name: value for name, value in content.items() if isinstance(value, list)}
    text = json.dumps({**content, **{name: [] for name in lists}}, indent=1)
    for name, rows in lists.items():
        lines = ",".join(f"\n  {json.dumps(row)}" for row in rows)  # a row is a line
        text = text.replace(f'"{name}": []', f'"{name}": [{lines}\n ]' if rows else f'"{name}": []')
    path.write_text(text + "\n")
    return table(rival, kept(rival))


def main() -> None:
    parser = argparse.ArgumentParser(description="The same strategy in another system and here.")
    parser.add_argument("rivals", nargs="*", metavar="RIVAL", help=f"{', '.join(RIVALS)}; all without")
    parser.add_argument("--setup", action="store_true", help="make the environments that are missing")
    parser.add_argument("--keep", action="store_true", help="write trades.json and print the page's table")
    options = parser.parse_args()
    for name in options.rivals or RIVALS:
        if options.setup:
            print(name, set_up(RIVALS[name]))
        if options.keep:
            with tempfile.TemporaryDirectory() as place:
                print(keep(RIVALS[name], Path(place)))


if __name__ == "__main__":
    main()
