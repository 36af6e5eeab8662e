"""A command of the operator's or the guardian's that comes again after its gateway was killed -9 before it had
replied, in virtual time: it is done once."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from onetape.model.enums import OrderState, OrderType, PositionSide, RequestKind, Side
from onetape.model.errors import ServiceTimeout
from onetape.model.home import gateway_journal
from onetape.model.order import OrderSpec
from onetape.model.request_key import RequestKey
from onetape.model.time import SECOND
from onetape.orders.outcome import Answer, Outcome
from onetape.projections.checkpoint import checkpoint_file
from onetape.projections.found import Found
from onetape.simulation.faults import Faults
from onetape.simulation.gateway_life import SLOTS, Died, Life
from onetape.simulation.robots import TAGS, SimRobot
from onetape.simulation.world import World
from onetape.tape.journal import JournalReader
from worlds.gateway_process import SYMBOL

PRICE = 2000  # so far from the market, in units, an order rests
COMMAND, ORDER, REPLY = 1, 1, 1  # frames that stand on the tape when a gateway dies


class CalmWorld(World):
    """A gateway whose sub-account `three` has two robots, which have ended; nothing fails by itself."""

    def __init__(self) -> None:
        super().__init__(2, Faults.none(), crashes=False)
        self.connect()
        self.invariants.tags = (*TAGS, "TfirstX", "TsecondX", "ToperatorX")
        self.until(self.now + SECOND)
        self.command("m1", "allocate", {"currency": "USDT", "index": SLOTS["three"], "amount": "20000"})
        self.symbol = self.symbols[0]
        robots = [self.core.requests.attach(name, "", self.now, slot=SLOTS["three"]) for name in ("first", "second")]
        self.traders = [SimRobot(self, life.number) for life in robots]

    def ask(self, trader: int, side: Side, size: int, price: int = 0, **terms) -> str:
        """Sends an order of a robot, and waits for what comes of it. Returns its client id."""
        robot, listing = self.traders[trader], self.exchange.listings[0]
        kind = OrderType.LIMIT if price else OrderType.MARKET
        spec = OrderSpec(symbol=self.symbol, side=side, size_int=size, price_int=price, type=kind, **terms)
        robot.ask(spec, listing.last)
        self.until(self.now + SECOND)
        life = self.tape.robots[robot.number]
        return life.client_id(life.base | robot.ordinal)

    def command(self, id_: str, command: str, fields: dict, actor: str = "operator") -> dict:
        self.core.stamp(self.moment())
        token = self.home.tokens[actor]
        about = {"id": id_, "target": "gateway:main", "actor": actor, "token": token}
        return self.life.commands.door.answer({**about, "command": command, "fields": fields})

    def killed_by(self, frames: int, *command) -> None:
        """Sends a command whose gateway is killed behind so many frames of its tape, and begins its next life."""
        self.life.writer.left = frames
        with pytest.raises(Died):
            self.command(*command)
        self.restart()

    def restart(self) -> None:
        self.unanswered.clear()
        self.drop_stream()
        self.life.end()
        self.begin_gateway(self.home)

    def keep(self) -> None:
        """Makes a checkpoint of all that its journal says."""
        journal = gateway_journal(self.home.path, "main")
        with JournalReader(journal) as reader:
            last = reader.last_sequence
        self.life.make_checkpoint(journal, checkpoint_file(self.home.path, "main"), last)

    def held(self) -> int:
        return self.account.qty(0)


@pytest.fixture
def two_parts() -> CalmWorld:
    """Of the sub-account `three` each robot holds 10."""
    world = CalmWorld()
    for trader in (0, 1):
        world.ask(trader, Side.BUY, 10)
    assert world.held() == 20
    return world


CLOSE = {"symbol": SYMBOL, "subaccount": "three", "qty": "0.010"}


@pytest.mark.parametrize("actor", ["operator", "guardian"])
@pytest.mark.parametrize("is_filled", [False, True])
@pytest.mark.parametrize(("qty", "robots", "left"), [("0.010", ["first"], 10), ("0.015", ["first", "second"], 5)])
def test_a_close_of_a_quantity_that_comes_again_after_a_kill_closes_just_that(
    two_parts, actor, is_filled, qty, robots, left
):
    """Its first order may work still, or have closed the part that it was for."""
    close = ("c1", "close", {**CLOSE, "qty": qty}, actor)
    two_parts.killed_by(COMMAND + ORDER, *close)
    if is_filled:
        two_parts.until(two_parts.now + 20 * SECOND)
        assert two_parts.held() == 10
    repeated = two_parts.command(*close)
    two_parts.until(two_parts.now + 20 * SECOND)
    assert two_parts.held() == left
    assert (repeated["error"], [row["robot"] for row in repeated["result"]["orders"]]) == (None, robots)


def test_a_guardians_next_close_counts_what_works_of_other_parts(two_parts):
    for id_ in ("c1", "c2"):  # the second before the first is answered
        assert two_parts.command(id_, "close", CLOSE, "guardian")["status"] == "applied"
    two_parts.until(two_parts.now + SECOND)
    assert two_parts.held() == 10
    two_parts.command("c3", "close", CLOSE, "guardian")
    two_parts.until(two_parts.now + SECOND)
    assert two_parts.held() == 0


class ShareWorld(CalmWorld):
    """An order of 10 rests, of which 3 are to take."""

    def __init__(self) -> None:
        super().__init__()
        listing = self.exchange.listings[0]
        self.order = self.ask(0, Side.BUY, 10, listing.bid - PRICE)
        price = f"{(listing.ask + PRICE) / 10:.1f}"
        self.share = "take_share", {"order": self.order, "qty": "0.003", "price": price}, "guardian"

    def ask_share(self, id_: str) -> str:
        return self.command(id_, *self.share)["result"]["state"]

    def taken(self) -> str:
        """Asks until the gateway is done. Returns what it says then, once the venue has it all."""
        for number in range(100):
            if (state := self.ask_share(f"again {self.now} {number}")) != "reducing":
                break
            self.until(self.now + SECOND)
        self.until(self.now + SECOND)
        return state

    def sizes(self) -> tuple[int, int]:
        """Returns what is held, and what is left of the order at the venue."""
        return self.held(), sum(each.size for each in self.account.open_orders.values())


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_share_takes_once_where_the_gateway_is_killed_while_its_order_is_made_smaller(is_answered):
    world = ShareWorld()
    if is_answered:
        assert world.ask_share("s1") == "reducing"
        world.until(world.now + SECOND)
        assert world.sizes() == (0, 7)
        world.restart()
    else:
        world.killed_by(COMMAND + ORDER, "s1", *world.share)
    assert world.taken() == "taken"
    assert world.sizes() == (3, 7)


def test_a_share_that_never_left_its_killed_gateway_does_not_take():
    world = ShareWorld()
    world.is_mortal = True
    world.killed_by(-1, "s1", *world.share)
    assert world.taken() == "not reduced"
    assert world.sizes() == (0, 10)


@pytest.mark.parametrize(("arrives", "state", "sizes"), [(True, "taken", (3, 7)), (False, "not reduced", (0, 10))])
def test_a_share_waits_for_what_became_of_its_order_where_the_answer_is_lost(arrives, state, sizes):
    world = ShareWorld()
    world.kept_back = []
    assert world.ask_share("s1") == "reducing"
    (call,), world.kept_back = world.kept_back, None
    if arrives:
        world.http(call)
    world.core.answered(call, Answer(Outcome.AMBIGUOUS), world.moment())
    assert world.manager.orders[world.order].is_unknown
    assert world.ask_share("s2") == "reducing"
    assert world.taken() == state
    assert world.sizes() == sizes


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize(
    ("size", "away", "sizes"),
    [
        (7, -10, (3, 7)),  # at another price it is still the order that was made smaller
        (8, 0, (3, 5)),  # another size is that of another order, of which a share is taken anew
    ],
)
def test_an_amendment_of_the_robot_meanwhile_is_of_the_order_that_a_share_is_taken_of(size, away, sizes, is_killed):
    world = ShareWorld()
    assert world.ask_share("s1") == "reducing"
    world.until(world.now + SECOND)
    order = world.manager.orders[world.order]
    wanted = msgspec.structs.replace(order.spec, price_int=order.price + away, size_int=size)
    world.traders[0].frame(RequestKind.AMEND, order.order_id, wanted)
    world.until(world.now + SECOND)
    if is_killed:
        world.restart()
    assert world.taken() == "taken"
    assert world.sizes() == sizes


@pytest.mark.parametrize("frames", [COMMAND, COMMAND + REPLY])
@pytest.mark.parametrize("within", ["account", "subaccount"])
def test_the_end_of_a_cycle_that_comes_again_after_a_kill_ends_none_that_began_since(within, frames):
    world = CalmWorld()
    key = RequestKey("opportunity", within)
    end = "e1", "end_cycle", {"key": key.key} | ({"subaccount": "three"} if within == "subaccount" else {})

    def placed() -> OrderState:
        return world.manager.orders[world.ask(0, Side.BUY, 10, world.exchange.listings[0].bid - PRICE, once=key)].state

    assert [placed(), placed()] == [OrderState.ACCEPTED, OrderState.DENIED]
    world.killed_by(frames, *end)
    world.until(world.now + 20 * SECOND)
    assert placed() is OrderState.ACCEPTED
    assert world.command(*end)["status"] == "duplicate"
    assert placed() is OrderState.DENIED


# --- a flatten that comes again -------------------------------------------------------------------

FLATTEN = "flatten", {"reason": "out"}


@pytest.mark.parametrize("has_checkpoint", [False, True])
def test_a_flatten_that_comes_again_after_a_kill_goes_on_and_leaves_the_switch_as_it_is(
    two_parts, has_checkpoint, monkeypatch
):
    two_parts.killed_by(COMMAND, "f1", *FLATTEN)
    if has_checkpoint:
        monkeypatch.setattr(Life, "_check_point", lambda *_: None)  # it would make another one
        two_parts.keep()
        two_parts.restart()
    assert (two_parts.core.gate.halts.killed, two_parts.held()) == ("out", 20)
    assert two_parts.command("k1", "kill", {"reason": "lunch"})["status"] == "applied"
    assert two_parts.command("f1", *FLATTEN)["error"] is None
    two_parts.until(two_parts.now + SECOND)
    assert (two_parts.core.gate.halts.killed, two_parts.held()) == ("lunch", 0)


@pytest.mark.parametrize("frames", [COMMAND, COMMAND + ORDER])
@pytest.mark.parametrize("restarts", [0, 1])
def test_a_flatten_that_comes_again_after_unkill_changes_nothing(two_parts, frames, restarts):
    """Also where the switch is on for another reason by then."""
    two_parts.killed_by(frames, "f1", *FLATTEN)
    two_parts.until(two_parts.now + 20 * SECOND)
    closed = 10 * (frames - COMMAND)
    two_parts.command("u1", "unkill", {})
    rests = two_parts.ask(0, Side.BUY, 10, two_parts.exchange.listings[0].bid - PRICE)
    for _ in range(restarts):
        two_parts.restart()
        two_parts.until(two_parts.now + 20 * SECOND)
    repeated = two_parts.command("f1", *FLATTEN)
    two_parts.until(two_parts.now + SECOND)
    assert (two_parts.core.gate.halts.killed, two_parts.held()) == ("", 20 - closed)
    assert two_parts.manager.orders[rests].is_open
    assert (repeated["status"], len(repeated["result"]["orders"])) == ("duplicate", frames - COMMAND)
    assert sum(Decimal(row["qty"]) for row in repeated["result"]["left"]) == Decimal(20 - closed).scaleb(-3)


# --- and other commands about whatever works or is held -------------------------------------------

ALL_OF_IT = {
    "cancel": {"symbol": "*"},
    "cancel_all": {},
    "close": {"symbol": SYMBOL, "subaccount": "three"},
    "flatten": {"symbol": SYMBOL},
}


@pytest.mark.parametrize("has_checkpoint", [False, True])
@pytest.mark.parametrize("command", ALL_OF_IT)
def test_a_command_that_comes_again_after_a_kill_leaves_orders_alone_that_came_since(
    two_parts, command, has_checkpoint, monkeypatch
):
    bid = two_parts.exchange.listings[0].bid
    first = two_parts.ask(0, Side.BUY, 10, bid - PRICE)
    two_parts.killed_by(COMMAND, "c1", command, ALL_OF_IT[command])
    if has_checkpoint:
        monkeypatch.setattr(Life, "_check_point", lambda *_: None)  # it would make another one
        two_parts.keep()
        two_parts.restart()
    two_parts.until(two_parts.now + 20 * SECOND)
    since = two_parts.ask(0, Side.BUY, 10, bid - PRICE)
    works = two_parts.manager.orders
    assert works[first].is_open and works[since].is_open
    assert two_parts.command("c1", command, ALL_OF_IT[command])["status"] == "applied"
    two_parts.until(two_parts.now + SECOND)
    assert (works[first].state, works[since].state) == (OrderState.CANCELED, OrderState.ACCEPTED)
    assert two_parts.command("c1", command, ALL_OF_IT[command])["status"] == "duplicate"


@pytest.mark.parametrize("command", ["close", "flatten"])
@pytest.mark.parametrize(("closed", "trades", "left"), [(0, 5, 5), (0, -5, 0), (1, 10, 10), (2, 10, 10)])
def test_a_command_that_comes_again_after_a_kill_closes_only_what_it_found(two_parts, command, closed, trades, left):
    """closed: parts before the kill, of two of 10; trades: of the first one's robot since; left: of it at the end."""
    words = "c1", command, ALL_OF_IT[command]
    two_parts.killed_by(COMMAND + closed * ORDER, *words)
    two_parts.until(two_parts.now + 20 * SECOND)
    assert two_parts.held() == 20 - 10 * closed
    two_parts.ask(0, Side.BUY if trades > 0 else Side.SELL, abs(trades))
    repeated = two_parts.command(*words)
    two_parts.until(two_parts.now + SECOND)
    assert (two_parts.held(), repeated["error"]) == (left, None)
    parts = two_parts.tape.parts
    assert parts.part(parts.robots[two_parts.traders[0].number], SYMBOL, PositionSide.BOTH) == left


@pytest.mark.parametrize(
    ("found", "now", "left"),
    [(10, 15, 10), (10, 5, 5), (10, -5, 0), (-10, -15, -10), (-10, -5, -5), (-10, 5, 0), (0, 5, 0)],
)
def test_of_a_part_what_was_found_is_left_and_never_its_other_side(found, now, left):
    assert Found([], {"part": found}).left("part", now) == left


def test_a_dry_run_that_comes_again_after_a_kill_is_about_what_there_is(two_parts):
    dry = "c1", "flatten", {"symbol": SYMBOL, "dry_run": True}
    two_parts.killed_by(COMMAND, *dry)
    assert [row["qty"] for row in two_parts.command(*dry)["result"]["left"]] == ["0.010", "0.010"]


@pytest.mark.parametrize("placed", [1, 2])
def test_a_list_of_orders_that_comes_again_after_its_time_says_which_were_placed(two_parts, placed):
    listing, late_ns = two_parts.exchange.listings[0], 5 * SECOND
    triggers = [f"{(listing.bid - PRICE - step) / 10:.1f}" for step in (0, 10)]
    fields = {"symbol": SYMBOL, "side": "sell", "kind": "stop", "until_ns": two_parts.now + late_ns}
    fields["orders"] = [{"qty": "0.005", "trigger": each} for each in triggers]
    two_parts.command("b1", "place", {"symbol": SYMBOL, "side": "buy", "qty": "0.020"})
    two_parts.until(two_parts.now + SECOND)
    two_parts.killed_by(COMMAND + placed * ORDER, "p1", "place", fields)
    two_parts.until(two_parts.now + 2 * late_ns)
    repeated = two_parts.command("p1", "place", fields)
    rows = repeated["result"]["orders"]
    assert (repeated["status"], [row["state"] for row in rows]) == (
        "duplicate",
        ["ACCEPTED"] * placed + ["DENIED"] * (2 - placed),
    )
    assert all(row["code"] == ServiceTimeout.code for row in rows[placed:])
    assert sum(order.spec.trigger_int > 0 for order in two_parts.manager.open.values()) == placed
