"""Known vulnerabilities of what requirements/ci.lock names, by pip-audit.

    make audit

0: none known; 1: some are; 6: the data could not be had, so that nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "build" / "envs" / "audit"
LOCK = ROOT / "requirements" / "ci.lock"
UNKNOWN = 6


def unknown(why: str) -> int:
    print(f"NOT AVAILABLE: vulnerabilities were not looked up: {why}", file=sys.stderr)
    return UNKNOWN


def main() -> int:
    program = TOOL / "bin" / "pip-audit"
    if not program.exists():
        venv.create(TOOL, with_pip=True)
        pip = [str(TOOL / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
        if subprocess.run([*pip, "pip-audit>=2.7"], check=False).returncode != 0:
            return unknown("pip-audit could not be installed")
    options = ["--disable-pip", "--require-hashes", "--progress-spinner=off", "-f", "json"]
    done = subprocess.run([str(program), "-r", str(LOCK), *options], capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = done.stderr.strip().splitlines()[-1:] or ["no answer"]
        return unknown(last[0][:200])
    bad = [(each["name"], each["version"], each["vulns"]) for each in found if each.get("vulns")]
    for name, version, flaws in bad:
        for flaw in flaws:
            fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
            print(f"{name} {version}: {flaw['id']}, mended in {fixed}")
    print(f"{len(found)} packages, {len(bad)} with known vulnerabilities")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
