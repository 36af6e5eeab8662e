"""Do other interpreters come to the same decisions? Action and state hashes, compared.

For each Python found on PATH or under ~/.pyenv/versions a wheel is built into an environment of
its own under build/pythons, the same market is generated there and the same strategies run over
it. What this interpreter gets is the measure. Interpreters that are not there are named.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = ("3.11", "3.12", "3.13", "3.14")
PROGRAM = """
import json, pathlib, sys, tempfile
from onetape.data.sample import write_sample
from onetape.research.backtest import BacktestOptions, run_backtest
folder = pathlib.Path(tempfile.mkdtemp())
tape = folder / "sample.tape"
write_sample(tape, events=100_000, seed=11)
hashes = {}
for name in sys.argv[2:]:
    result = run_backtest(BacktestOptions(
        strategy=f"{sys.argv[1]}/{name}", data=[tape], home=folder / "home", write_report=False,
    ))
    hashes[name] = [result.action_hash, result.state_hash, result.orders, result.fills]
print(json.dumps({"version": sys.version.split()[0], "hashes": hashes}))
"""


def answer(python: Path, strategies: list[str]) -> dict:
    done = subprocess.run(
        [python, "-c", PROGRAM, ROOT / "strategies", *strategies], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{python} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def is_version(python: Path, version: str) -> bool:
    """Shims of version managers may be there and not work."""
    question = [python, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(question, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version


def find(version: str) -> Path | None:
    candidates = [Path(found)] if (found := shutil.which(f"python{version}")) else []
    installed = Path.home() / ".pyenv" / "versions"
    candidates += sorted(installed.glob(f"{version}.*/bin/python{version}"), reverse=True)
    return next((path for path in candidates if is_version(path, version)), None)


def installed(python: Path, version: str) -> Path:
    """The interpreter of an environment with this tree's wheel in it."""
    folder = ROOT / "build" / "pythons" / version
    inner = folder / "bin" / "python"
    if not inner.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [inner, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", ROOT], check=True, cwd=folder)
    return inner


def main() -> int:
    # Whatever an example is called and however many there are: each has one class in it.
    strategies = sorted(path.name for path in (ROOT / "strategies").glob("[!_]*.py"))
    strategies = [name for name in strategies if name != "pair.py"]  # it needs a second market
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    expected = answer(Path(sys.executable), strategies)
    for name, (actions, _, orders, fills) in expected["hashes"].items():
        print(f"{name:<20} {orders:>6} orders {fills:>6} fills  {actions[:16]}")
    print(f"{expected['version']:<8} measure", flush=True)
    failed = 0
    for version in WANTED:
        if version == own:
            continue
        python = find(version)
        if python is None:
            print(f"{version:<8} SKIPPED: no such interpreter on PATH or under ~/.pyenv/versions")
            continue
        got = answer(installed(python, version), strategies)
        wrong = [n for n in strategies if got["hashes"][n] != expected["hashes"][n]]
        failed += bool(wrong)
        print(f"{got['version']:<8} {'DIFFERS in ' + ', '.join(wrong) if wrong else 'equal'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
