"""The operator sets the leverage of a contract at the venue: once, on tape with what came of it, or refused."""

from __future__ import annotations

import json

import msgspec
import pytest

import copied_process
from exchange.venue_client import served
from onetape.exchange.faults import parse_faults
from onetape.ipc.operator import send_command
from onetape.model.errors import NotAvailable, OrderInvalid, ServiceTimeout, UsageError, VenueUnavailable
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.orders.manager import SENDS_MAX
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader
from onetape.tape.pruned import Pruned, write_pruned
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, configure

BUSY = """[[fault]]
path = "/fapi/v1/leverage"
action = "error"
error = "-1008"
status = 400
done = false
count = {count}
"""
LOST = '[[fault]]\npath = "/fapi/v1/leverage"\naction = "error"\nstatus = 500\ndone = true\ncount = 1\n'


class World:
    def __init__(self, folder, dialect, port: int, kind: str) -> None:
        self.folder, self.symbol = folder, TRADED[kind][0]
        self.account = dialect.exchange.accounts[0]
        self.gateway = GatewayProcess(kind, folder / ".onetape", port, self.account, commands="process")
        self.home = self.gateway.home
        make_token(self.home, "operator")
        configure(folder, port, self.account, kind=kind)
        self.gateway.start()
        wait_for(lambda: self.gateway.ask("status")["ready"])

    def run(self, *words: object, code: int = 0) -> dict:
        more = ("--json", "--home", self.home, "--config", self.folder / "onetape.toml")
        done = copied_process.run("leverage", self.symbol, *words, *more)
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def records(self, kind: str) -> list[dict]:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            return [msgspec.msgpack.decode(frame.payload) for frame in reader.frames((kind,))]

    @property
    def said(self) -> list[str]:
        return [row["state"] for row in self.records("health") if row["kind"] == "leverage"]


@pytest.mark.parametrize("kind", ["binance-usdm", "aster", "pacifica"])
def test_a_leverage_by_hand_is_the_venues_and_stands_on_tape(kind, tmp_path):
    with served(kind, seed=3, limits=False) as (dialect, port):
        world = World(tmp_path, dialect, port, kind)
        try:
            value = world.run(5, "--id", "l1")
            assert (value["status"], value["state"], value["leverage"]) == ("applied", "set", 5)
            assert world.account.leverage_of(0) == 5
            (command,) = [row for row in world.records("command") if row["command"] == "leverage"]
            assert (command["id"], command["actor"], command["fields"]["leverage"]) == ("l1", "operator", 5)
            assert world.said == ["5 set"]
            assert (world.run(5, "--id", "l1")["status"], world.said) == ("duplicate", ["5 set"])
            refused = world.run(1000, code=OrderInvalid.exit_code)
            assert (refused["status"], refused["error"]["name"]) == ("refused", "ORDER_INVALID")
            assert world.account.leverage_of(0) == 5
            assert world.said[-1].startswith("1000 refused: ")
            world.run(7)
            world.gateway.kill()  # it is shown without a gateway, too
            shown = world.run()
            assert (shown["symbol"], shown["account"], shown["leverage"]) == (world.symbol, "main", 7)
            rows = [(row["leverage"], row["state"], row["actor"], bool(row["reason"])) for row in shown["changes"]]
            operator = "operator"
            assert rows == [(5, "set", operator, False), (1000, "refused", operator, True), (7, "set", operator, False)]
            assert [row["ts"] for row in shown["changes"]] == sorted(row["ts"] for row in shown["changes"])
            assert not shown["pruned"]
            write_pruned(gateway_journal(world.home, "main"), Pruned(0, 0, ""))
            assert world.run()["pruned"]
        finally:
            world.gateway.kill()


def test_one_whose_answer_is_lost_is_said_and_what_is_no_leverage_is_refused(tmp_path):
    with served("binance-usdm", seed=3, limits=False, faults=LOST) as (dialect, port):
        world = World(tmp_path, dialect, port, "binance-usdm")
        try:
            value = world.run(7, code=ServiceTimeout.exit_code)
            assert (value["error"]["name"], value["state"]) == ("SERVICE_TIMEOUT", "unknown")
            assert world.said == ["7 unknown: the venue has not answered: set it again"]
            assert world.run(7)["state"] == "set"
            for number, wrong in enumerate(("0", "2.5", "-3", "", "x", 1001)):
                fields = {"symbol": world.symbol, "leverage": wrong}
                (answer,) = send_command(world.home, "gateway:main", "leverage", fields, f"w{number}")
                assert answer["error"]["code"] == UsageError.code, answer
            assert len(world.said) == 2
        finally:
            world.gateway.kill()


@pytest.mark.parametrize("step_s", [90, -90])
@pytest.mark.parametrize("kind", ["binance-usdm", "pacifica"])
def test_one_that_the_venue_refuses_for_its_time_is_sent_again(kind, step_s, tmp_path):
    with served(kind, seed=3, limits=False) as (dialect, port):
        world = World(tmp_path, dialect, port, kind)
        try:
            dialect.skew = step_s * SECOND
            assert world.run(5)["state"] == "set"
            assert (world.said, world.account.leverage_of(0)) == (["5 set"], 5)
        finally:
            world.gateway.kill()


@pytest.mark.parametrize("step_s", [90, -90])
def test_asters_expired_nonce_is_said_to_be_unknown(step_s, tmp_path):
    """It says so of a nonce that was used, too: perhaps by this very request."""
    with served("aster", seed=3, limits=False) as (dialect, port):
        world = World(tmp_path, dialect, port, "aster")
        try:
            dialect.skew = step_s * SECOND
            assert world.run(5, code=ServiceTimeout.exit_code)["state"] == "unknown"
            assert world.run(5)["state"] == "set"
        finally:
            world.gateway.kill()


def test_one_that_is_refused_for_now_too_often_or_for_too_long_is_refused(tmp_path):
    with served("binance-usdm", seed=3, limits=False, faults="# none yet") as (dialect, port):
        world = World(tmp_path, dialect, port, "binance-usdm")
        try:
            for count, taken in ((SENDS_MAX, 0), (SENDS_MAX - 1, 1)):
                dialect.add(parse_faults(BUSY.format(count=count)), dialect.exchange.now)
                value = world.run(9, code=0 if taken else VenueUnavailable.exit_code)
                assert value["state"] == ("set" if taken else "refused")
        finally:
            world.gateway.kill()


def test_where_there_is_none_it_is_refused_with_the_reason(tmp_path):
    with served("kraken", seed=3, limits=False) as (dialect, port):
        world = World(tmp_path, dialect, port, "kraken")
        try:
            value = world.run(5, code=NotAvailable.exit_code)
            assert value["error"]["name"] == "NOT_AVAILABLE" and "kraken" in value["error"]["message"]
        finally:
            world.gateway.kill()
