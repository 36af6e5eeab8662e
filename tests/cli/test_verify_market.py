"""`onetape journal verify --market` as its users call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROWS = "time,price,size,id\n" + "".join(
    f"{1_700_000_000_000 + i * 1000},100.{i % 7},1,{i if i < 50 else i + 3}\n" for i in range(100)
)


@pytest.fixture
def tape(onetape: Any, tmp_path: Path) -> Path:
    """Trades with three ids missing."""
    (tmp_path / "t.csv").write_text(ROWS)
    out = tmp_path / "t.tape"
    assert onetape("import", "csv", "t.csv", "--symbol", "x:A/USD", "--out", out).code == 0
    return out


def test_findings_inform(onetape: Any, tape: Path) -> None:
    done = onetape("journal", "verify", tape, "--market", "--json")
    assert done.code == 0
    trades = done.value["market"]["x:A/USD"]["trade"]
    assert (done.value["ok"], done.value["findings"], trades["count"]) == (True, 1, 100)
    assert trades["checks"]["id_gaps"] == 1
    assert trades["examples"]["id_gaps"][0]["missing"] == 3
    shown = onetape("journal", "verify", tape, "--market").out
    assert "id gaps 1" in shown
    assert "missing 3" in shown


def test_strict_makes_them_a_check_that_did_not_hold(onetape: Any, tape: Path) -> None:
    done = onetape("journal", "verify", tape, "--market", "--strict", "--json")
    assert done.code == 4
    assert done.value["market"]["x:A/USD"]["trade"]["findings"] == 1
    assert "1 findings" in done.value["error"]["message"]
    done = onetape("journal", "verify", tape, "--market", "--strict")
    assert done.code == 4
    assert "error BAD_INPUT(4501)" in done.err


def test_damage_comes_before_the_market(onetape: Any, tape: Path) -> None:
    segment = next(tape.glob("*.tape"))
    data = bytearray(segment.read_bytes())
    data[-3000] ^= 1
    segment.write_bytes(data)
    done = onetape("journal", "verify", tape, "--market", "--strict", "--json")
    assert done.code == 3
    assert done.value["ok"] is False
    assert "market" not in done.value


def test_options_of_the_market_need_it(onetape: Any, tape: Path) -> None:
    assert onetape("journal", "verify", tape, "--strict").code == 2
