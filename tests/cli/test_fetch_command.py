"""`onetape fetch` as its users call it, against a server on the loopback."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from history_server import Fault, Server, klines, serving

from copied_process import ONETAPE, Copied
from waiting import wait_for

CERTIFICATE = "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem -days 1"
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
        server.files[f"{FOLDER}/BTCUSDT-1m-2024-02-0{day}.zip.CHECKSUM"].split()[0].decode() for day in (1, 2)
    )
    assert done.value["missing"] == []
    server.faults = [Fault(".CHECKSUM", "status", (403, {}), times=9)]
    done = onetape(*arguments, "--keep", tmp_path / "elsewhere")
    assert done.code == 6
    assert done.value["error"]["name"] == "VENUE_UNAVAILABLE"


def test_a_fetch_that_was_killed_goes_on_in_the_middle(server: Server, onetape: Any, tmp_path: Path) -> None:
    name = "BTCUSDT-1m-2024-02-01.zip"
    size = 3 << 20
    body = server.add_zip(f"{FOLDER}/{name}", "x.csv", "1" * size)
    server.faults = [Fault(name, "drip", 30.0)]
    arguments = [
        *("fetch", "binance-vision", "--symbol", "binance:BTC/USDT:USDT", "--from", "2024-02-01"),
        *("--to", "2024-02-02", "--base-url", server.url, "--keep", str(tmp_path / "kept")),
        *("--home", str(tmp_path / "home")),
    ]
    process = Copied(ONETAPE, *arguments)
    part = tmp_path / "kept" / FOLDER.lstrip("/") / f"{name}.part"
    try:
        wait_for(lambda: process.poll() is not None or (part.exists() and part.stat().st_size > size // 4))
    finally:
        process.kill()
        process.wait()
    had = part.stat().st_size
    assert 0 < had < len(body)
    server.log.clear()
    done = onetape(*arguments, "--json")
    assert done.code == 0, done.err
    assert server.requests(name) == [f"bytes={had}-"]
    assert done.value["resumed"] == 1
    assert done.value["bytes"] == len(body) - had
    assert part.with_suffix("").read_bytes() == body


def test_two_fetches_at_once_do_not_mix(server: Server, onetape: Any, tmp_path: Path) -> None:
    name = "BTCUSDT-1m-2024-02-01.zip"
    place = tmp_path / "kept" / FOLDER.lstrip("/")
    place.mkdir(parents=True)
    with (place / f"{name}.part").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = onetape(
            *("fetch", "binance-vision", "--symbol", "binance:BTC/USDT:USDT"),
            *("--from", "2024-02-01", "--to", "2024-02-02", "--base-url", server.url),
            *("--keep", tmp_path / "kept", "--json"),
        )
    assert done.code == 2
    assert "another process" in done.value["error"]["message"]


def test_a_certificate_that_nobody_vouches_for_is_refused(onetape: Any, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    subprocess.run([openssl, *CERTIFICATE.split()], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with serving(Server(), tls=context) as made:
        done = onetape(
            *("fetch", "binance-vision", "--symbol", "binance:BTC/USDT:USDT"),
            *("--from", "2024-02-01", "--to", "2024-02-02", "--base-url", made.url),
            *("--keep", tmp_path / "kept", "--json"),
        )
        assert done.code == 6
        assert "certificate" in done.value["error"]["message"]
        assert made.log == []
