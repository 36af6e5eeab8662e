"""What simulated exchanges say, byte for byte. A change is wanted, or it is a bug.

ONETAPE_KEEP=1 pytest tests/exchange/test_answers_kept.py    keeps what is said now; the reason
                                                             goes into the commit
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from exchange.answer_sessions import SESSIONS, play

KEPT = Path(__file__).resolve().parent / "answers.toml"
HEAD = """# What exchanges say in answer_sessions.py: digests by purpose, and how often.
# Written by test_answers_kept.py.
"""


def kept() -> dict[str, dict[str, list[object]]]:
    return tomllib.loads(KEPT.read_text()) if KEPT.exists() else {}


@pytest.mark.parametrize("kind", SESSIONS)
def test_a_session_gets_the_answers_that_were_kept_byte_for_byte(kind):
    digests, counts = play(kind)
    now = {name: [digest, counts[name]] for name, digest in digests.items()}
    table = kept()
    if os.environ.get("ONETAPE_KEEP"):
        table[kind] = now
        lines = [HEAD]
        for name in sorted(table):
            lines.append(f"[{name}]")
            lines += [f'"{what}" = ["{d}", {n}]' for what, (d, n) in sorted(table[name].items())]
            lines.append("")
        KEPT.write_text("\n".join(lines))
        return
    differing = sorted(what for what in now | table[kind] if now.get(what) != table[kind].get(what))
    assert not differing, f"{kind} says something else to {', '.join(differing)}"
