"""Options are not modelled: their data are refused, or left out and counted, never read as those of a perpetual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onetape.data.importing import import_files
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, NotAvailable

OPTION = "BTC-USD-241227-60000-C"
TRADES = "time,symbol,price,size\n2024-01-01,{0},0.05,1\n2024-01-01T00:01,{0},0.06,1\n"


@pytest.mark.parametrize("name", [OPTION, "BTC-27DEC24-60000-C"])
def test_rows_of_an_option_are_refused(load: Any, name: str) -> None:
    with pytest.raises(NotAvailable, match="is an option, and options are not modelled"):
        load("csv", {"f.csv": TRADES.format(name)}, symbol=None)


def test_an_option_as_the_symbol_of_a_file_is_refused(load: Any) -> None:
    with pytest.raises(NotAvailable, match=f"okx:{OPTION} is an option"):
        load("csv", {"f.csv": "time,price,size\n2024-01-01,1,1\n"}, symbol=f"okx:{OPTION}")


def test_a_recording_is_imported_without_its_options_which_are_counted(tmp_path: Path, read: Any) -> None:
    lines = ["wss://ws.okx.com:8443/ws/v5/public <-> 1700000000.0\n"]
    for at, name in enumerate(("BTC-USDT-SWAP", OPTION, OPTION), 1):
        row = {"instId": name, "tradeId": str(at), "px": "100.5", "sz": "1", "side": "buy", "ts": "1700000000000"}
        lines.append(
            f"{1_700_000_000 + at}.0: {json.dumps({'arg': {'channel': 'trades', 'instId': name}, 'data': [row]})}\n"
        )
    source = tmp_path / "OKX.ws.1.0"
    source.write_text("".join(lines))
    result = import_files("cryptofeed", [source], out=tmp_path / "tape")
    assert result.symbols == ["okx:BTC/USDT:USDT"]
    assert result.ignored == {f"option {OPTION}": 2, "connection": 1}


def test_a_configuration_names_no_options() -> None:
    with pytest.raises(BadConfig, match=r"is an option, and options are not modelled at symbols\.majors"):
        parse_config(f'[symbols]\nmajors = ["okx:{OPTION}"]\n')
