"""Start-up: what `import onetape` and `onetape --help` cost, the interpreter's own start apart."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 11


def ms(*call: str) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *call], stdout=subprocess.DEVNULL, check=True)
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


bare = ms("-c", "pass")
against = {"name": "interpreter alone", "value": bare}
figures = [
    {"name": "import onetape", "value": ms("-c", "import onetape") - bare, "reach": 60},
    {"name": "onetape --help", "value": ms("-m", "onetape", "--help"), "reach": 150,
     "against": against, "headline": True},
]  # fmt: skip
print(json.dumps({"figures": [{"unit": "ms", "better": "less", **each} for each in figures]}))
