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
        ("import pandas as pd\npd.Timestamp.now()", "wall clock", "pandas.Timestamp.now"),
        ("import pandas as pd\npd.Timestamp('now')", "wall clock", "pandas.Timestamp('now')"),
        ("import numpy as np\nnp.datetime64('today')", "wall clock", "numpy.datetime64('today')"),
        ("from datetime import date\ndate.today()", "wall clock", "datetime.date.today"),
        ("import time\ntime.sleep(1)", "wall clock", "time.sleep"),
        ("import time\ntime.clock_gettime_ns(0)", "wall clock", "time.clock_gettime_ns"),
        ("import time\ntime.strftime('%H')", "wall clock", "time.strftime"),
        ("import secrets\nsecrets.token_hex()", "randomness", "secrets.token_hex"),
        ("import os\nos.urandom(8)", "randomness", "os.urandom"),
        ("from uuid import uuid1\nuuid1()", "randomness", "uuid.uuid1"),
        ("from numpy.random import normal\nnormal()", "randomness", "numpy.random.normal"),
        ("import socket", "network", "import socket"),
        ("import ccxt", "network", "import ccxt"),
        ("import sqlite3\nsqlite3.connect('x')", "files", "sqlite3.connect"),
        ("import os\nos.path.exists('x')", "files", "os.path.exists"),
        ("import pandas as pd\npd.read_csv('x')", "files", "pandas.read_csv"),
        ("import subprocess", "threads and processes", "import subprocess"),
        ("import multiprocessing as m", "threads and processes", "import multiprocessing"),
        (
            "from concurrent.futures import ThreadPoolExecutor",
            "threads and processes",
            "import concurrent.futures.ThreadPoolExecutor",
        ),
        ("import os\nos.system('ls')", "threads and processes", "os.system"),
        ("import os\nos.getpid()", "environment", "os.getpid"),
        ("import platform\nplatform.node()", "environment", "platform.node"),
        ("import sys\nsys.argv", "environment", "sys.argv"),
        ("s = {'a'}\nfor x in s: pass", "memory order", "iteration over a set"),
        (
            "class A:\n def f(self):\n  self.s = set()\n def g(self):\n  for x in self.s: pass",
            "memory order",
            "iteration over a set",
        ),
        ("list({'a', 'b'})", "memory order", "iteration over a set"),
        ("','.join(set(y))", "memory order", "iteration over a set"),
        ("dict.fromkeys(set(y))", "memory order", "iteration over a set"),
        ("s = set(y)\ns.pop()", "memory order", "pop of a set"),
        ("a = set(y)\nfor x in a | b: pass", "memory order", "iteration over a set"),
        ("for x in set(y).union(z): pass", "memory order", "iteration over a set"),
        ("import gc\ngc.get_objects()", "memory order", "gc.get_objects"),
        ("n = 0\ndef f():\n global n\n n += 1", "state outside the robot", "global n"),
        ("seen = []\ndef f(x):\n seen.append(x)", "state outside the robot", "the module's seen is changed"),
        (
            "cache = {}\nclass A:\n def f(self):\n  cache[1] = 2",
            "state outside the robot",
            "the module's cache is changed",
        ),
        ("class A:\n def f(self):\n  A.n = 1", "state outside the robot", "A.n is set"),
        ("class A:\n seen = []\n def f(self):\n  self.seen.append(1)", "state outside the robot", "A.seen is changed"),
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
        "s = {'a'}\nsorted(s), len(s), max(s), 'a' in s, sorted(x for x in s)",
        "t = {x for x in {1, 2}}",  # a set again
        "s = set()\ns = [1]\nfor x in s: pass",  # not only a set
        "d = {}\nfor x in d: pass\nd.pop(1)",
        "seen = []\ndef f():\n seen = []\n seen.append(1)",  # its own
        "table = {1: 2}\ndef f(x):\n return table[x]",  # read only
        "class A:\n seen = []\n def f(self):\n  self.seen = []\n  self.seen.append(1)",
        "class A:\n def f(self):\n  self.n = 1",
        "import numpy as np\nnp.datetime64('2026-01-01')",
    ],
)
def test_what_does_not_is_left_alone(source):
    assert impurities(source) == []


def test_findings_come_by_line_once_each():
    found = impurities("import time\nx = time.time() + time.time()\ny = open('a')\n")
    assert [(f.line, f.what) for f in found] == [(2, "time.time"), (3, "open")]
    assert str(found[0]) == "line 2: time.time (wall clock): use self.now, self.time or self.set_timer"


def test_a_source_that_is_not_python_says_so():
    with pytest.raises(SyntaxError):
        impurities("def (")
