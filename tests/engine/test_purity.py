from __future__ import annotations

import pytest

from onetape.engine.purity import ADVICE, impurities


@pytest.mark.parametrize(
    ("source", "kind", "what"),
    [
        ("import time\ntime.time()", "wall clock", "time.time"),
        ("import time as t\nt.time_ns()", "wall clock", "time.time_ns"),
        ("from time import perf_counter as now\nnow()", "wall clock", "time.perf_counter"),
        ("from datetime import datetime\ndatetime.now()", "wall clock", "datetime.datetime.now"),
        ("import datetime as dt\ndt.datetime.utcnow()", "wall clock", "datetime.datetime.utcnow"),
        ("import random\nrandom.random()", "randomness", "random.random"),
        ("from random import choice\nchoice([1])", "randomness", "random.choice"),
        ("from random import *", "randomness", "import random"),
        ("import numpy as np\nnp.random.default_rng()", "randomness", "numpy.random.default_rng"),
        ("import uuid\nuuid.uuid4()", "randomness", "uuid.uuid4"),
        ("import requests", "network", "import requests"),
        ("from urllib.request import urlopen", "network", "import urllib.request.urlopen"),
        ("open('x')", "files", "open"),
        ("from pathlib import Path\nPath('x').read_text()", "files", "pathlib.Path"),
        ("import threading", "threads and processes", "import threading"),
        ("import asyncio", "threads and processes", "import asyncio"),
        ("import os\nos.environ['X']", "environment", "os.environ"),
        ("import os\nos.getenv('X')", "environment", "os.getenv"),
        ("hash('a')", "memory order", "hash"),
        ("key = id", "memory order", "id"),
        ("for x in {1, 2}: pass", "memory order", "iteration over a set"),
        ("[x for x in set(y)]", "memory order", "iteration over a set"),
    ],
)
def test_what_breaks_replay_is_found(source, kind, what):
    found = impurities(source)
    assert (kind, what) in [(f.kind, f.what) for f in found]
    assert all(f.advice == ADVICE[f.kind] for f in found)


@pytest.mark.parametrize(
    "source",
    [
        "import time",  # unused, or used for a type: harmless
        "from datetime import datetime, timedelta\ndatetime(2026, 1, 1) + timedelta(days=1)",
        "class A:\n    def f(self):\n        return self.random.random() + self.time.hour",
        "order.id\nself.orders.open",
        "class A:\n    id: int",  # a field that is called so
        "import numpy as np\nnp.mean([1])",
        "def open(x): ...\nopen(1)",
        "for x in sorted({1, 2}): pass",
        "x in {1, 2}",
        "from . import random",
        "import os\nos.path.join('a', 'b')",
    ],
)
def test_what_does_not_is_left_alone(source):
    assert impurities(source) == []


def test_findings_come_by_line_once_each():
    found = impurities("import time\nx = time.time() + time.time()\ny = open('a')\n")
    assert [(f.line, f.what) for f in found] == [(2, "time.time"), (3, "open")]
    assert (
        str(found[0]) == "line 2: time.time (wall clock): use self.now, self.time or self.set_timer"
    )


def test_a_source_that_is_not_python_says_so():
    with pytest.raises(SyntaxError):
        impurities("def (")
