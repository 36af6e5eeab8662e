"""`onetape fetch` as its users call it, against a server on the loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from history_server import Fault, Server, klines, serving

FOLDER = "/data/futures/um/daily/klines/BTCUSDT/1m"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as made:
        for day in (1, 2):
            name = f"BTCUSDT-1m-2024-02-0{day}"
            made.add_zip(f"{FOLDER}/{name}.zip", f"{name}.csv", klines(date(2024, 2, day), 1))
        yield made


def test_the_command_answers_in_json(server: Server, onetape: Any, tmp_path: Path) -> None:
    arguments = (
        *("fetch", "binance-vision", "--symbol", "binance:BTC/USDT:USDT", "--from", "2024-02-01"),
        *("--to", "2024-02-03", "--base-url", server.url, "--home", tmp_path / "home", "--json"),
    )
    done = onetape(*arguments)
    assert done.code == 0, done.err
    assert (done.value["files"], done.value["tape"]) == (2, None)
    assert done.value["folder"] == str(tmp_path / "home" / "downloads" / "binance-vision")
    kept = list((tmp_path / "home" / "downloads").rglob("*.zip"))
    assert sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in kept) == sorted(
        server.files[f"{FOLDER}/BTCUSDT-1m-2024-02-0{day}.zip.CHECKSUM"].split()[0].decode()
        for day in (1, 2)
    )
    assert done.value["missing"] == []
    server.faults = [Fault(".CHECKSUM", "status", (403, {}), times=9)]
    done = onetape(*arguments, "--keep", tmp_path / "elsewhere")
    assert done.code == 6
    assert done.value["error"]["name"] == "VENUE_UNAVAILABLE"
