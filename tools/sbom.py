"""Writes what the package is made of: dist/sbom.json (CycloneDX) and dist/licences.txt.

    make sbom

cyclonedx-bom reads the environment; it lives in one of its own, so that it is not part of the list.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "build" / "envs" / "sbom"
OUT = ROOT / "dist"


def tool() -> Path:
    """The program, installed once. Raises CalledProcessError where no registry is reached."""
    program = TOOL / "bin" / "cyclonedx-py"
    if not program.exists():
        venv.create(TOOL, with_pip=True)
        pip = [str(TOOL / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "cyclonedx-bom>=5,<8"], check=True)
    return program


def licence_of(component: dict) -> str:
    """In one line; what a package does not say is said to be missing."""
    found = []
    for each in component.get("licenses", []):
        licence = each.get("license", {})
        found.append(each.get("expression") or licence.get("id") or licence.get("name") or "")
    # Some write the whole text where the name belongs.
    names = [name.strip().splitlines()[0][:80] for name in found if name.strip()]
    return " / ".join(dict.fromkeys(names)) or "NOT SAID"


def main() -> int:
    OUT.mkdir(exist_ok=True)
    sbom = OUT / "sbom.json"
    try:
        program = tool()
        options = ["--of", "JSON", "--output-reproducible", "-o", str(sbom), sys.executable]
        subprocess.run([str(program), "environment", *options], check=True)
    except subprocess.CalledProcessError as error:
        print(f"NOT AVAILABLE: no SBOM was made ({error})", file=sys.stderr)
        return 6
    components = sorted(json.loads(sbom.read_text())["components"], key=lambda c: c["name"].lower())
    lines = [f"{c['name']} {c['version']}: {licence_of(c)}" for c in components]
    # What is compiled in or shipped as a file is in no environment.
    lines += [
        f"{path.parent.name} (in the sources): {path.relative_to(ROOT)}"
        for path in sorted(ROOT.glob("third_party/*/LICENSE*"))
    ]
    (OUT / "licences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    unsaid = [line for line in lines if line.endswith("NOT SAID")]
    print(f"dist/sbom.json, dist/licences.txt: {len(lines)} components, {len(unsaid)} say no licence")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
