"""The control plane under its supervisor: found, killed and back, the system stopped and begun anew."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from waiting import wait_for
from worlds.supervised import MAKER, Home

CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
[robots.mm]
strategy = "maker.py"
account = "main"
[control]
port = 0
"""
ASIDE = '[accounts.second]\nvenue = "x"\n'
STOP = {"reason": "a test"}


def call(home: Home, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict]:
    address = home.now()["control"]
    data = None if body is None else json.dumps(body).encode()
    named = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(f"{address}/api/v1/{path}", method=method, data=data, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=120) as got:
            return got.status, json.loads(got.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def buy(home: Home, account: str) -> str:
    refused = home.run("buy", "binance:BTC/USDT:USDT", "0.01", "--account", account, code=5)
    return str(refused["error"]["name"])


def test_a_stop_holds_over_kill_9_until_a_restart_and_a_token_counts_at_once(tmp_path: Path):
    with Home(tmp_path, CONFIG + ASIDE, MAKER) as home:
        up = home.run("up")
        assert up["control"].startswith("http://127.0.0.1:") and up["dashboard"] is None
        assert home.process("control")["kind"] == "control"
        _, before = call(home, "GET", "system/status")
        assert (before["status"], before["activeAccounts"], before["totalOperations"]) == ("running", 2, 0)
        assert {each["name"]: each["status"] for each in before["services"]}["robot:mm"] == "running"
        home.wait_for(home.fills)
        home.run("send", "gateway:second", "kill", "reason=lunch")

        status, stopped = call(home, "POST", "system/stop", STOP, Idempotency_Key="once")
        assert (status, stopped["status"]) == (200, "stopped")
        assert buy(home, "main") == "KILLED"

        home.kill("control")
        status, repeated = call(home, "POST", "system/stop", STOP, Idempotency_Key="once")
        assert (status, repeated) == (200, stopped)
        _, still = call(home, "GET", "system/status")
        assert (still["status"], still["totalOperations"]) == ("stopped", 1)
        control = {"targetDelta": 0, "accounts": ["main"], "maxDeviation": 0.1, "symbol": "BTC-USD"}
        status, refused = call(home, "POST", "delta/control", control)
        assert (status, refused["code"]) == (423, 1004) and stopped["operationId"] in refused["error"]
        _, listed = call(home, "GET", "risk/alerts?severity=CRITICAL&accountId=main")
        messages = {each["id"]: each["message"] for each in listed if each["data"]["blocks"]}
        assert messages[stopped["operationId"]] in refused["error"]
        assert call(home, "POST", f"risk/alerts/{stopped['operationId']}/ack", {})[0] == 409

        fills = len(home.fills())
        status, begun = call(home, "POST", "system/restart")
        assert (status, begun["status"]) == (200, "running")
        _, after = call(home, "GET", "system/status")
        assert stopped["operationId"] not in str(call(home, "GET", "risk/alerts?severity=CRITICAL"))
        assert after["status"] == "running" and after["uptime"] < still["uptime"] and after["totalOperations"] == 4
        wait_for(lambda: len(home.fills()) > fills)
        assert buy(home, "second") == "KILLED", "what a person had stopped stays so"

        made = home.run("token", "create", "bot", "--scope", "read", "--days", "1")
        assert call(home, "GET", "system/status")[0] == 401
        bearer = f"Bearer {made['token']}"
        assert call(home, "GET", "system/status", Authorization=bearer)[0] == 200
        assert call(home, "POST", "system/stop", {}, Authorization=bearer)[1]["code"] == 3001
        (listed,) = home.run("token", "ls")
        assert (listed["name"], listed["scopes"], listed["state"]) == ("bot", ["read"], "valid")
        assert home.run("token", "revoke", "bot")["state"] == "revoked"
        assert call(home, "GET", "system/status", Authorization=bearer)[0] == 401
        _, operation = call(home, "GET", "caller")
        assert operation["code"] == 3001
        everything = [path.read_bytes() for path in home.home.rglob("*") if path.is_file()]
        assert not any(made["token"].encode() in data for data in everything)
        home.run("down")


def test_a_port_that_is_taken_is_said_and_what_trades_runs(tmp_path: Path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = CONFIG.replace("port = 0", f"port = {port}").replace(
            '[robots.mm]\nstrategy = "maker.py"\naccount = "main"\n', ""
        )
        with Home(tmp_path, config) as home:
            said = home.run("up", code=6)
            assert f"127.0.0.1:{port}" in said["error"]["message"] and "[control] port" in said["error"]["message"]
            assert home.process("gateway:main")["state"] == "running"
            taken.close()
            home.wait_for(lambda: home.process("control")["state"] == "running")
            home.run("down")
