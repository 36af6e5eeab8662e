"""Writes what the package is made of: dist/sbom.json (CycloneDX) and dist/licences.txt.

    make sbom

cyclonedx-bom reads the environment; it lives in one of its own, so that it is not part of the list.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "build" / "envs" / "sbom"
OUT = ROOT / "dist"
PAGE = "src/onetape/dashboard/page/third_party"

# What is shipped or compiled in as a file, and so is in no environment: name, version, licence, files.
# The bundle of htm does not say which Preact 10 is inside.
VENDORED = (
    ("htm", "3.1.1", "Apache-2.0", (f"{PAGE}/preact.js", f"{PAGE}/LICENSE.apache-2.0", f"{PAGE}/preact.d.ts")),
    ("preact", "10", "MIT", (f"{PAGE}/preact.js", f"{PAGE}/LICENSE.preact")),
    (
        "lightweight-charts",
        "5.2.1",
        "Apache-2.0",
        (f"{PAGE}/lightweight-charts.js", f"{PAGE}/LICENSE.apache-2.0", f"{PAGE}/lightweight-charts.d.ts"),
    ),
    (
        "uplot",
        "1.6.32",
        "MIT",
        tuple(f"src/onetape/report/page/uplot/{name}" for name in ("uPlot.iife.min.js", "uPlot.min.css", "LICENSE")),
    ),
    ("doctest", "2.4.9", "MIT", ("third_party/doctest/doctest.h", "third_party/doctest/LICENSE.txt")),
)


def tool() -> Path:
    """The program, installed once. Raises CalledProcessError where no registry is reached."""
    program = TOOL / "bin" / "cyclonedx-py"
    if not program.exists():
        venv.create(TOOL, with_pip=True)
        pip = [str(TOOL / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "cyclonedx-bom>=5,<8"], check=True)
    return program


def vendored() -> list[dict]:
    """Returns a component for each of VENDORED, with its files and their SHA-256."""
    return [
        {
            "type": "library",
            "bom-ref": f"vendored-{name}",
            "name": name,
            "version": version,
            "licenses": [{"license": {"id": licence}}],
            **({} if name == "doctest" else {"purl": f"pkg:npm/{name}@{version}"}),
            "components": [
                {
                    "type": "file",
                    "name": file,
                    "hashes": [{"alg": "SHA-256", "content": hashlib.sha256((ROOT / file).read_bytes()).hexdigest()}],
                }
                for file in files
            ],
        }
        for name, version, licence, files in VENDORED
    ]


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
    found = json.loads(sbom.read_text())
    found["components"] += vendored()
    sbom.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    components = sorted(found["components"], key=lambda c: c["name"].lower())
    lines = [f"{c['name']} {c['version']}: {licence_of(c)}" for c in components]
    (OUT / "licences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    unsaid = [line for line in lines if line.endswith("NOT SAID")]
    print(f"dist/sbom.json, dist/licences.txt: {len(lines)} components, {len(unsaid)} say no licence")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
