"""Who may do what at a gateway's and a supervisor's socket: whoever is of our user reads, a robot
shows its token, the operator the operator's; and a crowd at the door does not keep the operator
out."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.clients.gateway import GatewayClient
from onetape.ipc import IPCCommandSystem
from onetape.ipc.local_socket import connect
from onetape.ipc.server import SENDERS_MAX
from onetape.model.errors import ProcessDown
from onetape.options.gateway import gateway_socket
from onetape.security.tokens import grant_of, make_token, read_token
from onetape.supervisor.options import supervisor_socket
from waiting import PATIENCE_S
from worlds.gateway_process import GatewayProcess
from worlds.supervised import Home, is_there

# Many connections that say nothing, or ask without end, from a process of their own.
CROWD = """
import selectors, socket, sys
path, count, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
found = selectors.DefaultSelector()
for _ in range(count):
    made = socket.socket(socket.AF_UNIX)
    made.connect(path)
    if kind == "busy":
        made.sendall(b'{"do":"who"}\\n' * 20)
        found.register(made, selectors.EVENT_READ)
    else:
        found.register(made, 0 or selectors.EVENT_READ)
print("there", flush=True)
while True:
    for key, _ in found.select():
        told = key.fileobj.recv(1 << 16)
        if not told:
            found.unregister(key.fileobj)
        elif kind == "busy":
            key.fileobj.sendall(b'{"do":"who"}\\n' * told.count(b"\\n"))
"""


def answer_to(path: Path, **request) -> dict:
    with connect(path, timeout_s=PATIENCE_S) as client:
        client.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(client.makefile().readline())


def refusal(answer: dict) -> str:
    """ "" where it was let in."""
    return answer["error"]["name"] if answer.get("status") == "refused" else ""


@pytest.fixture
def gateway(tmp_path: Path):
    with served("binance-usdm", limits=False) as (dialect, port):
        made = GatewayProcess(
            "binance-usdm", tmp_path, port, dialect.exchange.accounts[0], subaccounts={"a": 2, "b": 3}
        )
        made.start()
        yield made
        made.kill()


def test_what_changes_anything_at_a_gateway_needs_the_token_of_who_may(tmp_path: Path, gateway: GatewayProcess):
    path = gateway_socket(tmp_path, "main")
    tokens = {name: make_token(tmp_path, name) for name in ("mm", "other", "operator")}
    attach = {"name": "mm", "journal": str(tmp_path / "mm"), "subaccount": "a"}
    mm = {"actor": "mm", "token": tokens["mm"]}
    grant = grant_of(tmp_path, "main", "mm", "a")
    # Whoever is of our user reads.
    assert answer_to(path, do="status")["ready"] is True
    assert answer_to(path, do="who")["process"] == "gateway:main"
    for do in ("stop", "reconcile", "attach", "life", "nonsense"):
        for shown in (
            {},
            {"actor": "operator"},
            {"actor": "operator", "token": tokens["mm"]},
            {"actor": "other", "token": tokens["other"]},
            {"actor": ["mm"], "token": 7},
        ):
            assert refusal(answer_to(path, do=do, **attach, **shown)) == "PERMISSION_DENIED", (do, shown)
    for do in ("stop", "reconcile"):
        assert refusal(answer_to(path, do=do, **mm)) == "PERMISSION_DENIED"
    # A robot has the sub-account that it was started on, and no other.
    for wrong in (
        {"subaccount": "a"},
        {"subaccount": "b", "grant": grant},
        {"subaccount": "main"},
        {"subaccount": "a", "grant": grant_of(tmp_path, "futures", "mm", "a")},
    ):
        answer = answer_to(path, do="attach", **{**attach, **wrong}, **mm)
        assert refusal(answer) == "NOT_OWNER", wrong
    assert answer_to(path, do="status")["robots"] == 0
    answer = answer_to(path, do="attach", **attach, **mm, grant=grant)
    assert answer["slot"] == 2
    number = answer["robot"]
    for do in ("follow", "standing"):
        other = {"actor": "other", "token": tokens["other"]}
        assert refusal(answer_to(path, do=do, robot=number, **other)) == "PERMISSION_DENIED"
        assert refusal(answer_to(path, do=do, robot=number)) == "PERMISSION_DENIED"
    assert answer_to(path, do="standing", robot=number, **mm)["settled"] in (True, False)
    assert answer_to(path, do="life", name="mm", **mm)["journal"] == attach["journal"]
    operator = {"actor": "operator", "token": tokens["operator"]}
    assert answer_to(path, do="attach", **{**attach, "name": "by hand"}, **operator)["slot"] == 2
    assert answer_to(path, do="reconcile", **operator) == {}
    assert answer_to(path, do="stop", **operator) == {}
    assert gateway.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("kind", ["idle", "busy"])
def test_a_crowd_at_the_door_does_not_keep_the_operator_from_killing(
    tmp_path: Path, gateway: GatewayProcess, kind: str
):
    path = gateway_socket(tmp_path, "main")
    crowd = subprocess.Popen([sys.executable, "-c", CROWD, str(path), str(SENDERS_MAX), kind], stdout=subprocess.PIPE)
    try:
        assert crowd.stdout is not None and crowd.stdout.readline() == b"there\n"

        async def kill() -> str:
            system = IPCCommandSystem("operator", home=tmp_path)
            system.start()
            answer = await system.send_command("gateway:main", "kill", {"reason": kind}, timeout=PATIENCE_S)
            system.stop()
            return answer.status

        assert asyncio.run(kill()) == "applied"
        assert crowd.poll() is None
    finally:
        crowd.kill()
        crowd.wait()
        crowd.stdout.close()
    assert gateway.ask("status")["killed"] == kind


def test_down_and_restart_are_the_operators(tmp_path: Path):
    config = '[venues.x]\nkind = "binance-usdm"\nmode = "sim"\n'
    with Home(tmp_path, config) as home:
        home.run("up")
        path = supervisor_socket(home.home)
        pid = home.process("venue:x")["pid"]
        for shown in ({}, {"actor": "operator", "token": "0" * 64}):
            for request in ({"do": "down"}, {"do": "restart", "name": "venue:x"}):
                assert refusal(answer_to(path, **request, **shown)) == "PERMISSION_DENIED"
        assert home.process("venue:x")["pid"] == pid and is_there(pid)
        # Its owner may make the token anew: who writes in the folder is the operator.
        before = read_token(home.home, "operator")
        (home.home / "run" / "tokens" / "operator").unlink()
        assert home.run("restart", "venue:x")["pid"] != pid
        assert read_token(home.home, "operator") != before
        home.run("down")


def test_a_gateways_client_says_what_it_was_refused_with(tmp_path: Path, gateway: GatewayProcess):
    make_token(tmp_path, "mm")
    client = GatewayClient(tmp_path, "main", "mm")
    with pytest.raises(Exception, match="operator's") as refused:
        client.ask("stop")
    assert refused.value.exit_code == 5
    with pytest.raises(ProcessDown):
        GatewayClient(tmp_path, "nobody")
