"""Black-box checks of what outsiders rely on, which others wrote against the description alone.

They lie beside the recorded market data. Each drives the installed command and says what held and
what fell short.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from long_form import long_form

ROOT = Path(__file__).resolve().parents[2]
TAKES_S = 1800


@pytest.mark.parametrize("name", long_form("tape", "accounts", "runtime", "outside-clients"))
def test_a_check_from_outside_holds(shared, name):
    script = shared.parent / "checks" / name
    done = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True, timeout=TAKES_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " held, 0 fell short" in done.stdout
