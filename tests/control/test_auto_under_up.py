"""Automatic mode in the control plane's process, over simulated exchanges and their gateways, killed on the way."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from control.desk_home import CONFIG
from waiting import wait_for
from worlds.supervised import Home

SYMBOL = "BTC-USD"
ON = {"symbol": SYMBOL, "band": 0.01, "interval": 100, "cooldown": 200, "maxCost": 10_000}


@pytest.fixture
def home(tmp_path):
    with Home(tmp_path, CONFIG) as made:
        made.run("up")
        yield made


def call(home: Home, path: str, body: dict | None = None) -> tuple[int, dict]:
    """Raises OSError where nobody listens."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{home.now()['control']}/api/v1/{path}", data=data, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as got:
            return got.status, json.loads(got.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def pair(home: Home) -> dict:
    try:
        (found,) = call(home, "delta/auto")[1]["pairs"]
    except OSError:
        return {"settings": {}, "decisions": [{"reason": ""}], "costToday": 0}
    return found


def net(home: Home) -> float:
    try:
        found = call(home, f"delta/status?symbol={SYMBOL}")[1]
    except OSError:
        return float("nan")
    return found["symbols"][0]["netDelta"] if "symbols" in found else float("nan")


def settled(home: Home) -> bool:
    """Within the band, and it has been looked at since."""
    return abs(net(home)) <= 0.01 and "is within" in pair(home)["decisions"][0]["reason"]


def test_a_net_delta_is_held_through_a_kill_until_it_is_switched_off(home):
    status, refused = call(home, "delta/auto", {"symbol": SYMBOL, "enabled": False})
    assert (status, refused["code"]) == (400, 4501)
    assert call(home, "delta/auto", {**ON, "accounts": ["nobody"]})[1]["code"] == 1001
    status, made = call(home, "delta/auto", ON)
    assert status == 200 and len(made["pairs"][0]["settings"]["accounts"]) == 3
    home.wait_for(lambda: settled(home))

    def open_delta() -> None:
        body = {"symbol": SYMBOL, "hedgeAmount": 0.2, "side": "buy", "targetAccounts": ["pacifica-main"]}
        wait_for(lambda: call(home, "hedge/execute", body)[0] == 200, lambda: call(home, "hedge/execute", body))

    open_delta()
    home.wait_for(lambda: settled(home) and pair(home)["costToday"] > 0)
    before = pair(home)
    operation = next(each["operationId"] for each in before["decisions"] if each["operationId"])  # the newest
    assert operation.startswith("delta-auto-")
    records = call(home, f"operations/{operation}")[1]
    assert records["actor"] == "auto" and records["done"] and "off its target" in records["request"]["reason"]
    home.wait_for(lambda: pair(home)["decisions"][0]["count"] > 1)  # the same one is counted

    home.kill("control")
    home.wait_for(lambda: pair(home)["costToday"] > 0)
    after = pair(home)
    assert after["settings"] == before["settings"] and after["costToday"] == before["costToday"]
    assert operation in {each["operationId"] for each in after["decisions"]}
    assert call(home, "delta/status")[1]["symbols"][0]["automatic"]
    open_delta()
    home.wait_for(lambda: settled(home) and pair(home)["costToday"] > before["costToday"])

    off = call(home, "delta/auto", {"symbol": SYMBOL, "enabled": False})[1]["pairs"][0]
    assert (
        not off["settings"]["enabled"] and off["stopped"] is None and "switched off by" in off["decisions"][0]["reason"]
    )
