"""A type is first used by several threads at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

THREADS = """
import sys, threading, types
from onetape.model.typed import from_builtins, from_json, from_msgpack
import msgspec
sys.setswitchinterval(1e-6)
N = 20
for turn in range(60):
    module = sys.modules["made"] = types.ModuleType("made")
    source = "from msgspec import Struct\\n"
    source += "".join(f"class B{i}(Struct):\\n    x: 'int | None' = 0\\n" for i in range(N))
    source += "class A(Struct):\\n" + "".join(f"    f{i}: 'B{i} | int | None' = None\\n" for i in range(N))
    exec(source, module.__dict__)
    value, gate = {f"f{i}": {"x": 1} for i in range(N)}, threading.Barrier(3)
    data, found = USED[0], []
    def work():
        gate.wait()
        found.append(USED[1](data, module.A))
    threads = [threading.Thread(target=work) for _ in range(3)]
    [each.start() for each in threads]
    [each.join() for each in threads]
    assert [each.f7.x for each in found] == [1, 1, 1]
"""


@pytest.mark.parametrize(
    "used",
    [
        "(msgspec.json.encode(value), from_json)",
        "(msgspec.msgpack.encode(value), from_msgpack)",
        "(value, from_builtins)",
    ],
)
def test_threads_use_a_type_at_once(used):
    done = subprocess.run([sys.executable, "-c", THREADS.replace("USED", used)], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()


def test_the_product_prepares_records_in_one_place():
    plain = re.compile(r"type=((dict|list|tuple|str|Any|msgspec\.Raw)\b|[\[\], ])+\)")
    used = re.compile(r"msgspec\.(convert\(|(json|msgpack)\.decode\(.*type=)")
    for path in sorted((ROOT / "src").rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if path.name != "typed.py" and used.search(line):
                assert plain.search(line), f"{path}:{number}: use onetape.model.typed"
