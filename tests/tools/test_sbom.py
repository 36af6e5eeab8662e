"""What is shipped as a file is in the list of what the package is made of."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {  # as the files themselves say it
    "lightweight-charts": ("lightweight-charts.js", r"Lightweight Charts\S* v(\S+)"),
    "uplot": ("uPlot.iife.min.js", r"uPlot \(v(\S+)\)"),
}


def _tool():
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "tools" / "sbom.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_each_vendored_file_is_listed_with_its_hash_and_the_version_that_it_says():
    components = {each["name"]: each for each in _tool().vendored()}
    files = {file["name"]: file["hashes"][0]["content"] for each in components.values() for file in each["components"]}
    folders = {ROOT / "third_party", *ROOT.glob("src/**/third_party"), ROOT / "src/onetape/report/page/uplot"}
    there = {str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert set(files) == there
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in files.values())
    for name, (file, form) in VERSIONS.items():
        path = next(ROOT / each for each in files if each.endswith(file))
        said = re.search(form, path.read_text(encoding="utf-8")[:500])
        assert said is not None and said[1] == components[name]["version"], name
    header = (ROOT / "third_party/doctest/doctest.h").read_text(encoding="utf-8")
    parts = [re.search(rf"DOCTEST_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    assert ".".join(parts) == components["doctest"]["version"]
