"""What a dry run says of an order is what becomes of it, whatever holds at the moment."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from accounts.funded_account import A, B, Funded
from long_form import examples
from onetape.gateway.admission import Admission
from onetape.model.enums import OrderState, OrderType, PositionSide, Side, TriggerBy, TriggerKind
from onetape.model.ids import EPOCH_MAX
from onetape.model.order import OrderSpec
from onetape.model.request_key import RequestKey
from onetape.model.time import SECOND, TIME_MAX
from onetape.orders.gate import Limits
from onetape.orders.halts import HaltsRecord, halt_of
from onetape.orders.order import Order
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.pre_trade.rules import RULES
from onetape.orders.reports import AccountModeReport, BalanceReport
from onetape.projections.robot_life import RobotLife
from onetape.tape.journal import JournalWriter
from orders.surroundings import surround
from worlds.gateway_tapes import first_tape

STEPS = 500
CHARS = 9  # of a client id: enough for the first lives of a robot
FUNDS = {"spot": {"USD": 500_000, "BTC": 10}, "contracts": {"USDT": 60_000}}
# What an order here does not come to: all instruments are traded, and nobody decides on an old
# market. A spot account has no positions and no band; of contracts the venue knows the money, and
# what sub-accounts may not reduce the account need not be asked about.
NEVER = {
    "spot": {"instrument", "market price", "decision age", "sub-account reduction", "venue price band"},
    "contracts": {"instrument", "market price", "decision age", "reduction", "money"},
}


class Desk(Funded):
    """Two robots of two sub-accounts, and all that may hold at a moment."""

    def __init__(self, home: Path, kind: str, seed: int) -> None:
        super().__init__(home, kind, crosses=True)
        self.random, self.order_ids = random.Random(seed), count(1)
        for symbol, each in list(self.instruments.items()):
            self.instruments[symbol] = replace(each, tick=each.tick * 10, lot=each.lot * 10, notional_min=Decimal(50))
        self.manager.venue.client_id_chars = CHARS
        tape_writer = JournalWriter(home / "gateway", durable=False)
        self.tape = first_tape(tape_writer, list(self.instruments.values()))
        self.tape.state.first.status_of = self.tape.order_status_in(self.manager)
        self.admission = Admission(self.manager, self.gate, self.tape, self.money, self.crossing, self.proceeds)
        self.robots = [RobotLife(number, name, 1, "", slot=number) for number, name in ((A, "a"), (B, "b"))]
        self.fund(**FUNDS[kind])
        for slot in (A, B):
            self.allocate(slot, **{name: total * 2 / 5 for name, total in FUNDS[kind].items()})

    def __exit__(self, *raised: object) -> None:
        self.tape.writer.close()
        super().__exit__(*raised)

    def change(self) -> None:
        """One thing is otherwise."""
        rng, gate = self.random, self.gate
        usual = rng.random() < 0.95
        match rng.randrange(14):
            case 0:
                gate.halts.killed = "" if usual else "lunch"
            case 1:
                gate.disk_full = not usual
            case 2:
                gate.ready = usual
            case 3:
                gate.is_deaf = not usual
            case 4:
                silent = 0 if usual else rng.randrange(5 * SECOND)
                surround(gate, silent_ns=lambda _: silent)
            case 5:
                self.manager.hear([AccountModeReport(not usual, False, rng.random() < 0.9, False)], self.now)
            case 6:
                sizes = {s: self.size(c, 0.3) for c, s in self.symbols.items()}
                gate.limits = Limits(
                    *(sizes if rng.random() < 0.4 else {} for _ in range(2)),
                    Decimal("0.01") if rng.random() < 0.4 else Decimal(0),
                    rng.choice((0, 0, 2)),
                    {name: self.worth(rng) for name in ("USD", "USDT")},
                    {name: 5 * self.worth(rng) for name in ("USD", "USDT")},
                    rng.choice((0, 0, 0, 2)),
                    frozenset({next(iter(self.symbols.values()))} if rng.random() < 0.1 else ()),
                    rng.choice((0, 0, 0, 1)),
                )
            case 7:
                for life in self.robots:
                    life.rate = rng.choice((0, 0, 1))
            case 8:
                self.now += rng.randrange(SECOND // 2)
            case 9:
                if usual or gate.halts:
                    gate.halts.restore(HaltsRecord())
                else:
                    subject = rng.choice(({"symbol": next(iter(self.symbols.values()))}, {"scope": "system"}))
                    subject |= rng.choice(({}, {"level": 1}, {"level": 3}))
                    gate.halts.begin(halt_of(subject, actor="guardian", account="main", time=self.now))
            case 10:
                lacks_lease = not usual and rng.random() < 0.3
                surround(gate, is_guarded=not (usual or lacks_lease))
                gate.halts.open_until = self.now - SECOND if lacks_lease else TIME_MAX
            case 11:
                gate.halts.protect(next(iter(self.symbols.values())), 0 if usual else self.now)
            case _:
                self.go_on()

    @staticmethod
    def worth(rng: random.Random) -> int:
        """Of one order at most; 0: no limit."""
        return 10**18 * rng.choice((0, 0, 3000))

    def go_on(self) -> None:
        """Of one order more is known."""
        working = [each for each in self.manager.open.values() if not each.is_held]
        if not working:
            return
        order = self.random.choice(working)
        coin = next(c for c, symbol in self.symbols.items() if symbol == order.spec.symbol)
        if self.random.random() < 0.5:
            self.fill(order, order.remaining / self.size(coin, 1))
        else:
            self.ended(order)

    def draw(self) -> OrderSpec:
        rng = self.random
        coin = rng.choice(list(self.symbols))
        side = rng.choice((Side.BUY, Side.SELL))
        terms = {"type": OrderType.MARKET}
        if rng.random() < 0.8:
            away = rng.choice((0, 0, 0.002, 0.02, 0.2)) * rng.choice((1, -1))
            price = int(self.price(coin) * (1 + away)) // 10 * 10 + (rng.random() < 0.05)
            terms = {"price_int": price, "post_only": rng.random() < 0.1}
        if rng.random() < 0.1:
            by = rng.choice((TriggerBy.MARK, TriggerBy.LAST, TriggerBy.INDEX))
            terms |= {"trigger_int": self.price(coin), "trigger_by": by}
            terms["trigger_kind"] = TriggerKind.STOP
        if rng.random() < 0.1:
            terms["once"] = RequestKey(f"k{rng.randrange(9)}", within=rng.choice(SCOPES))
        if rng.random() < 0.02:
            terms["position_side"] = PositionSide.LONG
        return OrderSpec(
            symbol=self.symbols[coin],
            side=side,
            reduce_only=rng.random() < 0.25,
            size_int=self.size(coin, rng.choice((0.01, 0.1, 0.2, 1, 2000))) + (rng.random() < 0.03),
            tag="x" * (33 if rng.random() < 0.02 else 0),
            **terms,
        )

    def place(self, spec: OrderSpec) -> tuple[list, list, Order]:
        """What a dry run says, which rules are kept when each is asked by itself, and the order."""
        life, rng = self.random.choice(self.robots), self.random
        base = life.base if rng.random() < 0.98 else EPOCH_MAX << 32
        order_id = base + next(self.order_ids)
        reported = self.admission.checks(life, order_id, spec, self.now)
        view, _ = self.admission._view(life, order_id, spec, self.now)
        kept = [(each.reduction and view.reduces) or each.broken(view) is None for each in RULES]
        order = self.admission.place(life, order_id, spec, self.now)
        calls = list(self.manager.calls)
        self.write()
        self.admission.hold_placed()
        for call in calls:
            outcome = Outcome.AMBIGUOUS if rng.random() < 0.03 else Outcome.DONE
            self.manager.answered(call, Answer(outcome), self.now)
        self.write()
        return reported, kept, order


SCOPES = ("account", "subaccount")


def walk(home: Path, kind: str, seed: int) -> Counter[str]:
    reached: Counter[str] = Counter()
    with Desk(home, kind, seed) as desk:
        for step in range(STEPS):
            desk.change()
            before = desk.gate.rates.sent_this_second(desk.now)
            reported, kept, order = desk.place(desk.draw())
            refused = next((each for each in reported if each.refusal is not None), None)
            at = f"seed {seed}, step {step}: {order.spec}"
            assert [each.rule for each in reported] == [rule.name for rule in RULES], at
            assert [each.refusal is None for each in reported] == kept, at
            if refused is None:
                assert order.state is not OrderState.DENIED, (at, order.reason)
                reached["passed"] += 1
                continue
            news = desk.news(order)
            assert order.state is OrderState.DENIED, (at, refused)
            assert news[1:] == (refused.refusal.code, refused.refusal.reason), at
            reached[refused.rule] += 1
            behind = [each.rule for each in reported].index(refused.rule) > COUNTS
            is_counted = desk.gate.rates.sent_this_second(desk.now) > before
            assert behind or not is_counted, at
        if desk.kind == "spot":  # more than the account has, though its sub-accounts have enough
            desk.manager.hear([BalanceReport("USD", 0, desk.now)], desk.now)
    return reached


COUNTS = [rule.name for rule in RULES].index("order rate")


@pytest.mark.parametrize("kind", FUNDS)
def test_a_dry_run_says_what_becomes_of_the_order(tmp_path, kind):
    reached: Counter[str] = Counter()
    for seed in range(examples(12)):
        home = tmp_path / str(seed)
        home.mkdir()
        reached += walk(home, kind, seed)
    assert {rule.name for rule in RULES} - reached.keys() <= NEVER[kind], reached
    assert reached["passed"] > STEPS / 5, reached
