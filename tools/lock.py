"""Writes requirements/ci.lock: each package of this environment, with the hash of its file.

    .venv/bin/python tools/lock.py [--check | --fits]

What the tests ran with is what is locked, for this Python and this kind of machine. --check says
what the environment has otherwise than the file, --fits whether the file was made for this Python
on this machine; neither changes anything, and the second needs no environment.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements" / "ci.lock"
NOT_LOCKED = frozenset({"onetape", "pip"})


def installed() -> dict[str, str]:
    """Name -> version, of all that is not ours."""
    found = {}
    for each in metadata.distributions():
        name = each.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        if name not in NOT_LOCKED:
            found[name] = each.version
    return dict(sorted(found.items()))


def hashed(pins: dict[str, str]) -> dict[str, str]:
    """Name -> sha256 of the file that pip would take. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "wanted.txt", Path(folder) / "report.json"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        how = ["--dry-run", "--ignore-installed", "--no-deps", "--report", str(report)]
        subprocess.run([*pip, *how, "-r", str(wanted)], check=True)
        rows = json.loads(report.read_text())["install"]
    return {
        row["metadata"]["name"].lower().replace("_", "-").replace(".", "-"): row["download_info"]["archive_info"][
            "hashes"
        ]["sha256"]
        for row in rows
    }


def locked() -> dict[str, str]:
    """Name -> version, as the file has it."""
    pins = {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition("==")
            pins[name] = rest.partition(" ")[0]
    return pins


def platform_tag() -> str:
    """This Python on this kind of machine, as the file's first line has it."""
    python = platform.python_version().rpartition(".")[0]
    return f"Python {python}, {sys.platform} {platform.machine()}"


def made_for() -> str:
    """Where the file was made: what it has for other machines nobody has hashed."""
    first = LOCK.read_text(encoding="utf-8").partition("\n")[0]
    return first.partition(": ")[2].partition(". ")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--fits", action="store_true")
    options = parser.parse_args()
    if options.fits:
        if made_for() == platform_tag():
            return 0
        print(f"{LOCK.name} is for {made_for()}, this is {platform_tag()}")
        return 1
    pins = installed()
    if options.check:
        kept = locked()
        other = sorted(pins.items() ^ kept.items())
        for name, version in other:
            print(f"{name} {version}: only {'here' if pins.get(name) == version else 'locked'}")
        return 1 if other else 0
    sums = hashed(pins)
    lines = [
        f"# What the tests ran with: {platform_tag()}. Written by `make lock`, installed by",
        "# `make setup-locked`, which takes no file whose hash is another.",
        *(f"{name}=={version} --hash=sha256:{sums[name]}" for name, version in pins.items()),
    ]
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{LOCK.name}: {len(pins)} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
