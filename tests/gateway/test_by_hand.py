"""The operator trades by hand: through the checks of a robot's orders, on a life of his own on the
tape, with real processes and the simulated exchange."""

from __future__ import annotations

import json
import signal
import time
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest

import copied_process
from exchange.venue_client import BinanceClient, Wire, served
from onetape.cli.by_hand import answer
from onetape.ipc.operator import send_command
from onetape.model.enums import RequestKind, Side
from onetape.model.errors import InsufficientFunds, Killed, NotOwner, OrderInvalid, OrderUnknown, ProcessDown
from onetape.model.home import gateway_journal
from onetape.model.ids import parse_client_id
from onetape.options.gateway import gateway_socket
from onetape.tape.journal import JournalReader
from onetape.venues.client_ids import short_id
from waiting import PATIENCE_S
from worlds.command_lines import begin
from worlds.frames import REQUEST
from worlds.gateway_process import SYMBOL, configure, cut_journal, news_of, wait_for
from worlds.netting_world import NettingWorld

PRICE = 2000  # so far from the market, in units, an order rests


class Desk(NettingWorld):
    """A gateway with two robots, and the command line beside it."""

    def run(self, *words: object, code: int = 0) -> dict:
        done = copied_process.run(*words, "--json", "--home", self.home, "--config", self.folder / "onetape.toml")
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def send(self, command: str, id_: str, **fields) -> dict:
        (reported,) = send_command(self.home, "gateway:main", command, fields, id_)
        return reported

    def far(self, units: int = -PRICE) -> str:
        """A price, as text."""
        return f"{(self.bid + units) / 10:.1f}"

    def frames(self, kind: str) -> int:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            return sum(1 for _ in reader.frames((kind,)))

    def has_foreign(self) -> bool:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            return any(b"foreign" in frame.payload for frame in reader.frames(("health",)))

    def intents(self) -> list[tuple[int, int]]:
        """(robot, order) of what was to be placed."""
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            received = [REQUEST.unpack_from(f.payload) for f in reader.frames(("order_request",))]
        return [(each[12], each[0]) for each in received if each[5] == RequestKind.PLACE.id]


@pytest.fixture
def world(tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        made = Desk(tmp_path, dialect, port, "a", commands="process")
        made.folder = tmp_path
        configure(tmp_path, port, made.account)
        toml = tmp_path / "onetape.toml"
        toml.write_text(toml.read_text() + "subaccounts = { a = 2, b = 3 }\n")
        made.home = made.gateway.home
        yield made
        made.close()


def rules(answer_of: dict) -> dict[str, dict]:
    return {each["rule"]: each for each in answer_of["checks"]}


def test_an_order_by_hand_is_the_operators_on_tape_and_no_robots(world):
    answer = world.run("buy", SYMBOL, "0.010", "--price", world.far(), "--id", "b1")
    (order,) = answer["orders"]
    assert (answer["id"], answer["status"], order["state"]) == ("b1", "applied", "ACCEPTED")
    assert all(each["passed"] for each in answer["checks"])
    assert (order["robot"], order["qty"]) == ("operator", "0.010")
    assert parse_client_id(order["client_id"]).tag == "operator"
    assert [row["robot"] for row in world.run("orders")] == ["operator"]
    assert [o.client_id for o in world.account.open_orders.values()] == [order["client_id"]]
    second = world.run("buy", SYMBOL, "0.010", "--price", order["price"], "--id", "b1")
    assert (second["status"], len(world.account.open_orders)) == ("duplicate", 1)
    other = world.run("buy", SYMBOL, "0.020", "--price", order["price"], "--id", "b1", code=5)
    assert other["error"]["name"] == "DUPLICATE_COMMAND"
    gone = world.run("cancel", order["client_id"])
    assert [row["state"] for row in gone["orders"]] == ["CANCELED"]
    assert not world.account.open_orders
    answer = world.run("buy", SYMBOL, "0.010")
    assert [row["state"] for row in answer["orders"]] == ["FILLED"]
    assert [row["robot"] for row in world.run("fills")] == ["operator"]
    assert world.run("positions")[0]["subaccounts"]["main"]["qty"] == "0.010"
    assert world.gateway.ask("status")["differences"] == []


def test_what_a_rule_forbids_is_denied_and_a_dry_run_had_said_so(world):
    order = ("buy", SYMBOL, "0.010", "--price", world.far())
    before = world.frames("order_request"), world.frames("params")
    dry = world.run(*order, "--dry-run")
    assert (dry["status"], dry["orders"]) == ("passed", [])
    assert {"rule", "passed", "figure", "limit"} <= dry["checks"][0].keys()
    assert (rules(dry)["kill switch"]["figure"], rules(dry)["position"]["figure"]) == ("off", "0.010")
    assert world.send("kill", "k1", reason="lunch")["status"] == "applied"
    dry = world.run(*order, "--dry-run", code=5)
    assert (dry["status"], dry["error"]["code"]) == ("refused", Killed.code)
    assert [name for name, each in rules(dry).items() if not each["passed"]] == ["kill switch"]
    assert rules(dry)["kill switch"]["figure"] == "on: lunch"
    assert (world.frames("order_request"), world.frames("params")) == before
    answer = world.run(*order, code=5)
    assert (answer["status"], answer["error"]["code"]) == ("refused", Killed.code)
    assert [row["state"] for row in answer["orders"]] == ["DENIED"]
    assert not world.account.open_orders


def test_a_question_about_an_order_is_answered_as_a_dry_run_anew_each_time_and_is_on_no_tape(world):
    order = {"symbol": SYMBOL, "side": "buy", "qty": "0.010", "price": world.far()}

    def outcomes(answer_of: dict) -> list[tuple]:
        return [(each["rule"], each["passed"], each.get("reason")) for each in answer_of["result"]["checks"]]

    before = [world.frames(kind) for kind in ("command", "reply")]
    first = world.send("check_order", "q", **order)
    assert all(passed for _, passed, _ in outcomes(first))
    assert [world.frames(kind) for kind in ("command", "reply")] == before
    assert outcomes(world.send("place", "dry", **order, dry_run=True)) == outcomes(first)
    world.send("kill", "k", reason="lunch")
    now = world.send("check_order", "q", **order)
    (why,) = (reason for _, passed, reason in outcomes(now) if not passed)
    (denied,) = world.send("place", "real", **order)["result"]["orders"]
    assert (denied["state"], denied["reason"]) == ("DENIED", why)
    assert world.send("check_order", "q2", **order, dry_run=True)["status"] == "refused"


def test_a_dry_close_passes_where_robots_send_nothing_also_before_the_first_order_by_hand(world):
    (a,) = world.robots
    a.place(Side.BUY, 0)  # who is asked about has a robot's number till then
    wait_for(lambda: world.account.qty(0) == 10)
    client = BinanceClient(Wire(world.port), world.account.key, world.account.secret)
    status, _ = client.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.020")
    assert status == 200
    wait_for(lambda: world.run("positions")[0]["subaccounts"].get("main", {}).get("qty") == "0.020")
    assert world.send("halt", "h1", level=3)["status"] == "applied"
    dry = world.run("close", SYMBOL, "--dry-run")
    assert (dry["status"], rules(dry)["danger"]["passed"]) == ("passed", True)
    assert world.run("close", SYMBOL)["left"] == []


def test_a_dry_run_names_what_a_sub_account_lacks(world):
    (a,) = world.robots
    a.place(Side.BUY, 0)
    wait_for(lambda: world.account.qty(0) == 10)
    # The account holds it, and the operator does not.
    order = ("sell", SYMBOL, "0.004", "--reduce-only")
    dry = world.run(*order, "--dry-run", code=5)
    row = rules(dry)["sub-account reduction"]
    assert (row["passed"], row["figure"], row["limit"]) == (False, "0.004", "0.000")
    assert world.run(*order, code=5)["error"]["code"] == dry["error"]["code"] == row["code"]
    order = ("buy", SYMBOL, "900", "--price", world.far())
    dry = world.run(*order, "--dry-run", code=5)
    broken = {name: each for name, each in rules(dry).items() if not each["passed"]}
    assert set(broken) == {"sub-account money"}
    assert broken["sub-account money"]["code"] == InsufficientFunds.code
    wanted, free = (Decimal(broken["sub-account money"][key].split()[0]) for key in ("figure", "limit"))
    assert wanted > free > 0
    answer = world.run(*order, code=5)
    assert answer["error"]["code"] == InsufficientFunds.code


def test_a_kill_lets_pass_what_only_reduces(world):
    world.run("buy", SYMBOL, "0.010")
    world.send("kill", "k1")
    denied = world.run("sell", SYMBOL, "0.020", "--price", world.far(PRICE), code=5)
    assert denied["error"]["code"] == Killed.code
    world.run("sell", SYMBOL, "0.010", "--price", world.far(PRICE))
    wait_for(lambda: len(world.account.open_orders) == 1)
    done = world.run("close", SYMBOL)  # what works to take it off goes first
    assert done["left"] == []
    wait_for(lambda: world.account.qty(0) == 0 and not world.account.open_orders)


def test_a_command_that_comes_again_after_a_kill_finds_its_order(world):
    """The gateway is killed once the intent is on the tape and before anybody was answered: its
    reply is cut off the tape's end."""
    fields = {"symbol": SYMBOL, "side": "buy", "qty": "0.010", "price": world.far()}
    answer = world.send("place", "p1", **fields)
    (order,) = answer["result"]["orders"]
    wait_for(lambda: len(world.account.open_orders) == 1)
    world.gateway.kill()
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        replies = [bytes(f.payload) for f in reader.frames(("reply",))]
    (reply,) = [each for each in replies if msgspec.msgpack.decode(each).get("id") == "p1"]
    cut_journal(gateway_journal(world.home, "main"), reply)
    world.gateway.start()
    wait_for(lambda: world.gateway.ask("status")["ready"], 30)
    assert len(world.intents()) == 1
    second = world.send("place", "p1", **fields)
    assert (second["status"], second["error"]) == ("duplicate", None)
    assert [row["client_id"] for row in second["result"]["orders"]] == [order["client_id"]]
    assert len(world.intents()) == len(world.account.open_orders) == 1
    # The next one has another name than all before.
    other = world.send("place", "p2", **fields)["result"]["orders"][0]
    assert other["client_id"] != order["client_id"]


def test_close_takes_the_pools_part_and_leaves_the_robots(world):
    (a,) = world.robots
    a.place(Side.BUY, 0)
    wait_for(lambda: world.account.qty(0) == 10)
    world.run("buy", SYMBOL, "0.020")
    dry = world.run("close", SYMBOL, "--dry-run")
    assert (dry["status"], dry["left"][0]["qty"]) == ("passed", "0.020")
    done = world.run("close", SYMBOL)
    assert ([row["robot"] for row in done["orders"]], done["left"]) == (["operator"], [])
    assert world.account.qty(0) == 10
    refused = world.run("close", SYMBOL, "--subaccount", "a", code=5)
    assert refused["error"]["code"] == NotOwner.code
    a.writer.close()
    world.restart()
    done = world.run("close", SYMBOL, "--subaccount", "a")
    assert ([row["robot"] for row in done["orders"]], done["left"]) == (["a"], [])
    assert world.account.qty(0) == 0
    # Under the robot's own number: what its orders have brought it is nothing now.
    assert sum(qty for robot, qty, _ in world.fills() if robot == a.number) == 0
    world.restart()
    assert world.run("close", SYMBOL, "--subaccount", "a")["orders"] == []
    assert world.gateway.ask("status")["differences"] == []


def test_flatten_ends_all_of_an_account_and_stays_so_after_a_crash(world):
    (a,) = world.robots
    a.place(Side.BUY, 0)
    world.run("sell", SYMBOL, "0.030")
    wait_for(lambda: world.account.qty(0) == -20)
    a.place(Side.SELL, world.bid + PRICE, reduce_only=True)
    a.place(Side.BUY, world.bid - PRICE)
    wait_for(lambda: len(world.account.open_orders) == 2)
    done = world.run("flatten", "--id", "f1")
    assert done["left"] == []
    # The account is flat; what offsets within it could only be closed with new risk.
    assert {row["robot"] for row in done["orders"]} == {"operator"}
    parts = {row["owner"]: row["qty"] for row in done["offsetting"]}
    assert parts == {"a": "0.010", "operator": "-0.010"}
    wait_for(lambda: world.account.qty(0) == 0 and not world.account.open_orders)
    assert world.gateway.ask("status")["killed"] == "flatten"
    world.restart()
    assert world.gateway.ask("status")["killed"] == "flatten"
    late = a.place(Side.BUY, world.bid - PRICE)
    wait_for(lambda: news_of(world.home, late) == [("denied", Killed.code)])
    world.send("unkill", "u1")
    assert world.run("close", SYMBOL)["left"] == []
    assert world.account.qty(0) == 10
    done = world.run("flatten", "--symbol", SYMBOL)  # also of a robot that runs
    assert ([row["robot"] for row in done["orders"]], done["left"]) == (["a"], [])
    assert (world.account.qty(0), world.gateway.ask("status")["killed"]) == (0, "")


def test_where_a_gateway_is_away_nobody_says_that_there_is_nothing():
    value = {"status": "unknown", "id": "x", "orders": [], "checks": []}
    for error, words in (None, True), (ProcessDown("away"), False):
        shown = answer(SimpleNamespace(value=value, error=error, killed=[]), dry_run=True).text
        assert ("nothing to cancel" in shown) is words


def test_a_flatten_says_that_the_kill_switch_is_on_and_how_it_goes_off(world):
    shown = copied_process.run("flatten", "--home", world.home, "--config", world.folder / "onetape.toml")
    assert "kill switch of main is on" in shown.stdout and "onetape send gateway:main unkill" in shown.stdout
    denied = world.run("buy", SYMBOL, "0.010", code=5)
    assert "onetape send gateway:ACCOUNT unkill" in denied["orders"][0]["reason"]
    one = copied_process.run(
        "flatten", "--symbol", SYMBOL, "--home", world.home, "--config", world.folder / "onetape.toml"
    )
    assert one.returncode == 0 and "kill switch" not in one.stdout


def test_a_dry_run_of_what_ends_orders_and_positions_changes_nothing(world):
    (a,) = world.robots
    a.place(Side.BUY, 0)
    wait_for(lambda: world.account.qty(0) == 10)
    world.run("buy", SYMBOL, "0.020")
    # Orders that a close would meet, or that leave nothing to reduce, go first: no reason to refuse.
    mine = world.run("sell", SYMBOL, "0.020", "--price", world.far(PRICE), "--reduce-only")["orders"][0]["client_id"]
    a.place(Side.BUY, world.bid - PRICE)
    wait_for(lambda: len(world.account.open_orders) == 2)
    for words in (("cancel", mine), ("close", SYMBOL)):
        dry = world.run(*words, "--dry-run")
        assert (dry["status"], [row["client_id"] for row in dry["orders"]]) == ("passed", [mine])
    for words in (("cancel", "--all"), ("cancel", "--symbol", SYMBOL), ("flatten",), ("flatten", "--symbol", SYMBOL)):
        dry = world.run(*words, "--dry-run")
        assert (dry["status"], len(dry["orders"])) == ("passed", 2), words
    assert {row["owner"]: row["qty"] for row in dry["left"]} == {"a": "0.010", "operator": "0.020"}
    assert rules(dry)["position"]["figure"] == "0.010"  # long: a sale of what is held is no short position
    assert world.run("cancel", "nobody", "--dry-run", code=5)["error"]["code"] == OrderUnknown.code
    shown = copied_process.run("flatten", "--dry-run", "--home", world.home, "--config", world.folder / "onetape.toml")
    assert f"it would close: 0.020 {SYMBOL} of operator" in shown.stdout
    assert mine in shown.stdout.partition("it would cancel:")[2]
    assert (world.account.qty(0), len(world.account.open_orders)) == (30, 2)
    world.send("flatten", "in words", dry_run="Yes")
    world.restart()  # the next life reads what was asked
    assert world.gateway.ask("status")["killed"] == ""


def test_what_a_dry_flatten_would_cancel_of_one_symbol_hides_no_refusal_of_another(tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        ether = dialect.exchange.instruments[1]
        world = Desk(tmp_path, dialect, port, "a", commands="process", symbols=[SYMBOL, ether.symbol])
        configure(tmp_path, port, world.account)
        world.folder = tmp_path
        try:
            for symbol in (SYMBOL, ether.symbol):
                world.run("buy", symbol, "0.010" if symbol == SYMBOL else "20")
            world.run("sell", SYMBOL, "0.010", "--price", world.far(PRICE), "--reduce-only")
            assert world.run("flatten", "--dry-run")["status"] == "passed"
            client = BinanceClient(Wire(port), world.account.key, world.account.secret)
            # Below the best: the market that moves meanwhile does not fill it.
            low = str(ether.price(dialect.exchange.listings[1].bid - 50 * ether.core.tick))
            terms = {"symbol": ether.raw_symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            status, _ = client.ask("POST", "/fapi/v1/order", **terms, quantity="5", price=low)  # by other hands
            assert status == 200
            wait_for(world.has_foreign)
            dry = world.run("flatten", "--dry-run", code=5)
            broken = {each["symbol"]: each["name"] for each in dry["checks"] if not each["passed"]}
            assert (dry["status"], dry["error"]["name"]) == ("refused", "SELF_TRADE")
            assert broken[ether.symbol] == "SELF_TRADE" and len(dry["orders"]) == 1
        finally:
            world.close()


def test_cancel_finds_an_order_by_any_name_a_symbol_or_all(world):
    (a,) = world.robots
    for step in range(4):
        a.place(Side.BUY, world.bid - PRICE - 10 * step)
    wait_for(lambda: len(world.account.open_orders) == 4)
    wait_for(lambda: all(row["venue_id"] for row in world.run("orders")))
    first, second = world.run("orders")[:2]
    world.run("cancel", first["venue_id"])
    world.run("cancel", second["id"])
    wait_for(lambda: len(world.account.open_orders) == 2)
    assert world.run("cancel", "nobody", code=5)["error"]["code"] == OrderUnknown.code
    assert len(world.run("cancel", "--symbol", SYMBOL)["orders"]) == 2
    wait_for(lambda: not world.account.open_orders)
    world.run("buy", SYMBOL, "0.010", "--price", world.far())
    assert [row["state"] for row in world.run("cancel", "--all")["orders"]] == ["CANCELED"]
    assert "takes one of" in world.run("cancel", code=2)["error"]["message"]


def test_a_ladder_is_one_command_and_comes_once(world):
    wait_for(lambda: Decimal(world.send("quote", "q", symbol=SYMBOL)["result"]["ask"]))
    before = world.frames("command")
    ladder = ("sell", SYMBOL, "0.010", "--price", "ask*1.02", "--steps", "3", "--every", "0.5%", "--post-only")
    dry = world.run(*ladder, "--dry-run")
    assert (dry["status"], len(rules(dry)) * 3) == ("passed", len(dry["checks"]))
    assert not world.account.open_orders
    made = world.run(*ladder, "--id", "ladder")
    assert [(o["qty"], o["state"]) for o in made["orders"]] == [("0.003", "ACCEPTED")] * 2 + [("0.004", "ACCEPTED")]
    prices = [Decimal(o["price"]) for o in made["orders"]]
    assert [round(price / prices[0], 3) for price in prices] == [Decimal("1.000"), Decimal("1.005"), Decimal("1.010")]
    assert len(world.account.open_orders) == 3
    assert world.frames("command") == before + 1 + 1  # of the dry run, too
    world.restart()
    fields = {"symbol": SYMBOL, "side": "sell", "post_only": True}
    fields["orders"] = [{"qty": o["qty"], "price": o["price"]} for o in made["orders"]]
    answer = world.send("place", "again", **fields)
    assert answer["status"] == "applied"
    wait_for(lambda: len(world.account.open_orders) == 6)
    assert world.send("place", "again", **fields)["status"] == "duplicate"
    assert len(world.account.open_orders) == 6
    one = {**fields["orders"][0], "tif": "ioc"}
    assert world.send("place", "x", **{**fields, "orders": [one]})["error"]["message"].startswith("an order of a list")


def test_an_order_that_comes_after_its_time_is_never_placed(world):
    fields = {"symbol": SYMBOL, "side": "buy", "qty": "0.010", "price": world.far()}
    late = {**fields, "until_ns": time.time_ns() - 1}
    for status in ("refused", "duplicate"):
        answer = world.send("place", "late", **late)
        assert (answer["status"], answer["error"]["name"]) == (status, "SERVICE_TIMEOUT")
    assert world.intents() == [] and not world.account.open_orders
    soon = {**fields, "until_ns": time.time_ns() + 60 * 10**9}
    assert world.send("place", "soon", **soon)["result"]["orders"][0]["qty"] == "0.010"
    assert len(world.intents()) == 1
    assert "is a time" in world.send("place", "word", **{**fields, "until_ns": "noon"})["error"]["message"]


def test_stops_and_take_profits_by_hand_at_extremes(world):
    assert world.run("buy", SYMBOL, "0.010")["orders"][0]["state"] == "FILLED"
    exit_ = ("sell", SYMBOL, "0.010", "--reduce-only", "--kind")
    stop = world.run(*exit_, "stop", "--trigger", "low:3m*0.9", "--trigger-by", "mark", "--steps", "2", "--every", "1%")
    profit = world.run(*exit_, "take_profit", "--trigger", "high:3m*1.1")
    assert [o["state"] for o in (*stop["orders"], *profit["orders"])] == ["ACCEPTED"] * 3
    assert [o["qty"] for o in stop["orders"]] == ["0.005"] * 2
    triggers = [o.trigger for o in world.exchange.conditionals.open_of(world.account)]
    low = world.bid
    assert sorted(round(each / low, 1) for each in triggers) == [0.9, 0.9, 1.1]
    assert "of 400 bars came" in world.run("buy", SYMBOL, "1", "--price", "low:400m", code=6)["error"]["message"]
    assert "take_profit" in world.run("sell", SYMBOL, "1", "--trigger", "5", code=2)["error"]["message"]
    gone = world.run("cancel", "--symbol", SYMBOL)
    assert {o["state"] for o in gone["orders"]} == {"CANCELED"}


def test_what_is_typed_wrong_is_one_line(world):
    assert world.run("buy", SYMBOL, "0.0101", code=5)["error"]["code"] == OrderInvalid.code
    assert "number" in world.run("buy", SYMBOL, "much", code=2)["error"]["message"]
    near = world.run("buy", SYMBOL.replace("BTC", "BTX"), "1", code=3)["error"]
    assert (near["name"], "BTX" in near["message"]) == ("UNKNOWN_SYMBOL", True)
    answer = world.run("buy", "kraken:BTC/USD", "1", code=2)
    assert "no account trades" in answer["error"]["message"]
    answer = world.send("place", "w1", symbol=SYMBOL, side="hold", qty="1")
    assert "side is buy, sell" in answer["error"]["message"]
    answer = world.gateway.ask("attach", name="operator", journal="/nowhere")
    assert "no robot is called" in answer["error"]
    world.gateway.kill()
    gateway_socket(world.home, "main").unlink()
    for words in (("buy", SYMBOL, "0.010"), ("close", SYMBOL), ("flatten",), ("cancel", "--all")):
        assert world.run(*words, code=6)["error"]["name"] == "PROCESS_DOWN"


HOLDER = """
from onetape import Strategy


class Holder(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="200ms")

    def on_timer(self, name):
        if "asked" not in self.memory:
            self.memory["asked"] = True
            self.buy(self.symbol, 0.01)
        held = self.position(self.symbol).qty
        if not held and "had" in self.memory and "gone" not in self.memory:
            self.memory["gone"] = True
            self.sell(self.symbol, 0.02, price=1_000_000)

    def on_fill(self, fill):
        self.memory["had"] = True
"""


def test_a_robot_that_runs_sees_its_position_go_and_its_run_repeats(tmp_path):
    """It says so with an order, which the kill switch denies."""
    made = begin(tmp_path, "init", "my")
    assert made.wait(timeout=60) == 0
    folder = tmp_path / "my"
    (folder / "strategies/holder.py").write_text(HOLDER)
    robot = begin(folder, "run", "strategies/holder.py", "--live", "--account", "futures")

    def answer_of(*words: str):
        done = copied_process.run(*words, "--json", "--home", folder / ".onetape", "--config", folder / "onetape.toml")
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    wait_for(lambda: robot.poll() is not None or answer_of("fills"))
    done = answer_of("flatten", "--account", "futures")
    assert ([row["qty"] for row in done["orders"]], done["left"]) == (["0.010"], [])

    def is_denied() -> bool:
        with JournalReader(gateway_journal(folder / ".onetape", "futures")) as reader:
            return any(each.type == "order_event" and each.data["news"] == "denied" for each in reader)

    wait_for(is_denied)
    robot.send_signal(signal.SIGINT)
    out, errors = robot.communicate(timeout=PATIENCE_S)
    assert robot.returncode == 0, errors
    run = json.loads(out)
    assert run["orders"] == 2
    assert run["fills"] >= 1  # of its own; either order may be filled in pieces
    second = answer_of("replay", run["run"], "--verify")
    assert second["divergences"] == 0


def test_on_spot_a_close_sells_what_was_bought_and_no_coin_that_was_there(tmp_path):
    with served("kraken", seed=11, limits=False) as (dialect, port):
        world = Desk(tmp_path, dialect, port, "", kind="kraken", commands="process")
        try:
            coins = world.slots("BTC")[1]
            assert coins > 0
            order = {"symbol": "kraken:BTC/USD", "side": "buy", "qty": "0.01"}
            answer = world.send("place", "b1", **order)
            (row,) = answer["result"]["orders"]
            assert len(short_id(row["client_id"])) == len(str(UUID(int=0)))  # as Kraken takes what has over 18 letters
            state = {"order": row["client_id"]}
            wait_for(lambda: world.send("order", "q", **state)["result"]["state"] == "FILLED")
            wait_for(lambda: world.slots("BTC")[1] > coins)
            world.send("kill", "k1")  # it only takes off
            done = world.send("close", "c1", symbol=order["symbol"])["result"]
            assert [each["state"] for each in done["orders"]] != ["DENIED"], done
            wait_for(lambda: world.slots("BTC")[1] == coins)
            second = world.send("close", "c2", symbol=order["symbol"])["result"]
            assert (second["orders"], second["left"]) == ([], [])
        finally:
            world.close()


def test_rounds_of_a_flatten_end_with_the_kill_switch(world):
    world.run("buy", SYMBOL, "0.010")
    assert world.send("flatten", "f1", reason="flatten")["result"]["left"]  # its order is on the way
    wait_for(lambda: world.account.qty(0) == 0)
    world.send("unkill", "u1")
    world.run("buy", SYMBOL, "0.010")
    late = world.run("flatten", "--id", "f1", code=6)
    assert (late["status"], len(late["orders"])) == ("duplicate", 1)
    assert (world.account.qty(0), world.gateway.ask("status")["killed"]) == (10, "")
