"""Make the environment, compile the core and show how far that is: python tools/install.py demo|dev|locked

demo: what a run needs. dev: also the tools and libraries of the tests. locked: those, from requirements/ci.lock alone.
A step prints one line, redrawn on a terminal, in a pipe every few seconds. build/install.log keeps all output.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOG = ROOT / "build" / "install.log"
LOCK = ROOT / "requirements" / "ci.lock"
# Seconds that one processor compiles, on the machine of docs/performance.md: the first line's estimate.
COMPILE_S = 190
PIPE_LINE_S = 4.0
REDRAW_S = 0.25
ERASE = "\r\x1b[2K"
TAIL = 40  # lines of the log that a failure shows

PIP = [str(VENV / "bin" / "pip"), "install", "--no-compile", "--disable-pip-version-check", "--progress-bar", "off"]
BUILD_TOOLS = ["scikit-build-core>=1.1", "nanobind>=3.1", "numpy>=2.0", "cmake>=3.28", "ninja>=1.11"]
TESTED = ["--config-settings", "cmake.define.ONETAPE_TEST_BINDINGS=ON"]
EDITABLE = [*PIP, "-v", "--no-build-isolation"]

STEP = re.compile(r"^\s*\[(\d+)/(\d+)\] ")
PACKAGE = re.compile(r"^\s*(?:Collecting|Processing|Downloading|Using cached) (?:\S*/)?([A-Za-z0-9_.]+)")
INSTALLING = re.compile(r"^\s*Installing collected packages: (.*)")


def steps(kind: str) -> Iterator[tuple[str, list[str]]]:
    """What is run, in order: (title, command)."""
    if not (VENV / "bin" / "python").exists():
        yield "environment", [sys.executable, "-m", "venv", str(VENV)]
    if kind == "locked":
        # Nothing is resolved, and each file's hash has to be the one the lock names. Sources need setuptools first.
        source = LOG.with_name("setuptools.lock")
        source.write_text("".join(line for line in LOCK.open() if line.startswith("setuptools==")))
        hashed = [*PIP, "--require-hashes", "--no-deps"]
        yield "setuptools", [*hashed, "-r", str(source)]
        yield "packages", [*hashed, "--no-build-isolation", "-r", str(LOCK)]
        yield "core", [*EDITABLE, "--no-deps", *TESTED, "-e", str(ROOT)]
    elif kind == "dev":
        yield "build tools", [*PIP, *BUILD_TOOLS, "setuptools>=70.1"]
        yield "packages and core", [*EDITABLE, *TESTED, "-e", f"{ROOT}[dev]"]
    else:
        yield "build tools", [*PIP, *BUILD_TOOLS]
        yield "packages and core", [*EDITABLE, "-e", str(ROOT)]


def progress(line: str, began_s: float, first: list[float]) -> str | None:
    """What a line of pip or ninja says about how far the work is. None: nothing. first: when the compiler began."""
    if (found := STEP.match(line)) and found[1] != "0":  # 0: ninja reads its own file again
        done, total = int(found[1]), int(found[2])
        first[:] = first or [began_s]
        elapsed = began_s - first[0]
        left = f", about {elapsed / done * (total - done):.0f} s left" if done > total // 10 and done < total else ""
        return f"compiling, {done} of {total} files{left}"
    if found := INSTALLING.match(line):
        return f"installing {found[1].count(',') + 1} packages"
    if found := PACKAGE.match(line):
        return f"fetching {found[1].split('-')[0]}"
    return None


def run(title: str, command: list[str], log: Path) -> None:
    """One step with its line; ends the program with the log's end when it fails."""
    is_terminal = sys.stdout.isatty()
    began, drawn_s, words, drawn = time.monotonic(), 0.0, "", ""
    first: list[float] = []
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    with log.open("ab") as kept, selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        rest, is_open = b"", True
        while is_open:
            if ready.select(REDRAW_S):
                is_open = bool(data := os.read(process.stdout.fileno(), 1 << 16))
                kept.write(data)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    words = progress(line.decode(errors="replace"), time.monotonic(), first) or words
            now = time.monotonic()
            text = f"  {title}: {words or 'beginning'}  {now - began:.0f} s"
            if is_terminal and text != drawn:
                print(f"{ERASE}{text[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
            elif not is_terminal and now - drawn_s >= PIPE_LINE_S:
                print(text, flush=True)
                drawn_s = now
            drawn = text
    if process.wait():
        print(f"\nFAILED: {' '.join(command)}\nthe end of {log.relative_to(ROOT)}:", file=sys.stderr)
        print("".join(log.open(errors="replace").readlines()[-TAIL:]), file=sys.stderr)
        sys.exit(1)
    print(f"{ERASE if is_terminal else ''}  {title}: done in {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Run all steps of a kind, and leave the core's stub beside the sources, where type checkers look for it."""
    kind = sys.argv[1] if len(sys.argv) == 2 else ""
    if kind not in ("demo", "dev", "locked"):
        sys.exit(__doc__)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(
        f"sets up .venv and compiles the core: about {COMPILE_S / cores / 60 + 0.5:.0f} min on {cores} cores",
        flush=True,
    )
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_bytes(b"")
    for title, command in steps(kind):
        run(title, command, LOG)
    script = "import sysconfig; print(sysconfig.get_path('platlib'))"
    found = subprocess.run([str(VENV / "bin" / "python"), "-c", script], capture_output=True, text=True, check=True)
    shutil.copy(Path(found.stdout.strip()) / "onetape" / "_core.pyi", ROOT / "src" / "onetape" / "_core.pyi")


if __name__ == "__main__":
    main()
