"""Plays programs of this folder with two revisions in turn: what a change has made slower or faster.

    python bench/turn.py REV NAME... [--times N] [--against REV]

Each revision is checked out and built once below build/turn, beside the libraries of the environment that
runs this. Both play the programs of this tree, so that the work is the same. The order alternates, so that
a machine that warms up or is busy for a while favours neither. The ratio is of medians; a difference that
is smaller than the spread of either side is none.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from run import ROOT, Figure, find, run, show

PLACE = ROOT / "build" / "turn"


def main() -> None:
    parser = argparse.ArgumentParser(description="Play programs with two revisions in turn.")
    parser.add_argument("revision", help="the older one")
    parser.add_argument("names", nargs="+", help="programs of this folder")
    parser.add_argument("--against", metavar="REV", help="the newer one; this tree as it is without")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    programs = find(options.names)
    pythons = [built(options.revision), built(options.against) if options.against else Path(sys.executable)]
    sides: list[dict[str, Figure]] = [{}, {}]
    failed = set()
    for program in programs:
        for number in range(options.times):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                print(f"{program.stem} {number + 1}/{options.times}, {'new' if side else 'old'}", file=sys.stderr)
                if not run(program, sides[side], python=pythons[side]):
                    failed.add(program.stem)
    print(compared(*sides, names=[options.revision, options.against or "this tree"]))
    if failed:
        print(f"\nNot measured whole: {', '.join(sorted(failed))}.")
    sys.exit(1 if failed else 0)


def built(revision: str) -> Path:
    """The interpreter of an environment that has this revision installed."""
    name = called("git", "rev-parse", "--short=12", f"{revision}^{{commit}}")
    tree, place = PLACE / f"{name}-tree", PLACE / name
    python = place / "bin" / "python"
    if (place / "ready").exists():
        return python
    print(f"builds {revision} in {place.relative_to(ROOT)}: some minutes", file=sys.stderr)
    if not tree.exists():
        called("git", "worktree", "add", "--detach", str(tree), name)
    venv.create(place, clear=True)
    # A line of a path file adds a folder and reads no path files there: the editable install of this tree stays out.
    site = Path(sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)}))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps"]
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # cmake and ninja
    called(sys.executable, install[0], install[1], "--python", str(python), *install[2:], str(tree), PATH=tools)
    (place / "ready").touch()
    return python


def called(*words: str, **environment: str) -> str:
    """Returns what a command prints. Raises CalledProcessError where it fails."""
    return subprocess.run(
        words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ).stdout.strip()


def compared(old: dict[str, Figure], new: dict[str, Figure], names: list[str]) -> str:
    lines = [f"| figure | {names[0]} | {names[1]} | ratio (above 1: better now) |", "|---|---|---|---|"]
    for name in new:
        if name not in old:
            continue
        before, after = old[name], new[name]
        ratio = after.median / before.median if after.better == "more" else before.median / after.median
        lines.append(f"| {name} | {spread(before)} | {spread(after)} | {ratio:.2f} |")
    return "\n".join(lines)


def spread(figure: Figure) -> str:
    median = show(statistics.median(figure.values))
    return f"**{median}** {figure.unit} ({show(min(figure.values))} to {show(max(figure.values))})"


if __name__ == "__main__":
    main()
