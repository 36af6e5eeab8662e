"""The list of what an order passes: each rule broken by an order that keeps those before it, with
its number, its figure and its limit, and a reduction that passes it where the list says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from accounts.funded_account import NOW as FUNDED_NOW
from accounts.funded_account import A, Funded
from onetape.model.enums import OrderState, OrderType, RequestKind, Side, TriggerBy
from onetape.model.errors import (
    AccountMode,
    BannedSymbol,
    DiskFull,
    DuplicateCommand,
    InsufficientFunds,
    Killed,
    MarketDataUnavailable,
    NoGuardian,
    NoLease,
    NotProtected,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderRate,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
    StaleData,
    UnknownSymbol,
    VenueUnavailable,
)
from onetape.model.order import OrderSpec
from onetape.model.request_key import RequestKey
from onetape.model.time import SECOND
from onetape.orders.first_request import FirstRequests, OrderStatus
from onetape.orders.halts import halt_of
from onetape.orders.managed import Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.pre_trade.rules import RULES, checks, refusal_of
from onetape.orders.pre_trade.view import View
from onetape.orders.reports import AccountModeReport
from orders.gate_desk import NOW, PERP, SPOT, UNIT, Desk
from orders.surroundings import surround

DOCS = Path(__file__).parents[2] / "docs/concepts/live.md"
BY_NAME = {rule.name: rule for rule in RULES}
KEY = RequestKey("btc 09:30")


@dataclass(frozen=True)
class Row:
    """order: side, size, price. view: what whoever asks sets. says: what the words have, where
    that is not the figure and the limit."""

    error: type
    figure: str | None
    limit: str | None
    order: tuple = ("buy", 10, 60_000)
    terms: dict[str, Any] = field(default_factory=dict)
    symbol: str = PERP
    limits: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Desk], object] | None = None
    view: dict[str, Any] = field(default_factory=dict)
    says: tuple[str, ...] | None = None


def on_gate(**values):
    def change(desk):
        for name, value in values.items():
            setattr(desk.gate, name, value)

    return change


def around_gate(**values):
    return lambda desk: surround(desk.gate, **values)


def leave(count: int, rate: int = 0):
    """So many orders of one robot."""

    def change(desk):
        for _ in range(count):
            spec = desk.spec("buy", 10, 59_000)
            assert desk.gate.refusal(spec, NOW, robot=1, rate=rate) is None

    return change


def coarse(desk):
    """Steps of half a dollar."""
    desk.gate.instruments[PERP] = structs.replace(desk.gate.instruments[PERP], tick=Decimal("0.5"))


def delisted(desk):
    del desk.gate.instruments[PERP]


def read_only(desk):
    desk.manager.hear([AccountModeReport(False, False, can_trade=False, can_withdraw=False)], NOW)


def in_hedge_mode(desk):
    desk.manager.hear([AccountModeReport(True, False, can_trade=True, can_withdraw=False)], NOW)


def priced_by_venue(desk):
    """A market order is a limit order there, and no price has come yet."""
    desk.manager.references.clear()
    desk.manager.venue.traits = desk.manager.venue.traits._replace(prices_market=True)


def taken() -> FirstRequests[str]:
    keys = FirstRequests[str](lambda name: OrderStatus(OrderState.FILLED, f"order {name}, FILLED"))
    keys.claim(KEY, 1, "a-1", 2, NOW)
    return keys


def halted(**fields):
    def begin(desk):
        fields.setdefault("symbol", PERP)
        desk.gate.halts.begin(halt_of(fields, actor="guardian", account="main", time=NOW))

    return begin


def unguarded(desk):
    surround(desk.gate, is_guarded=True)
    desk.gate.halts.lease_until = NOW - 3 * SECOND


def unleased(desk):
    desk.gate.halts.open_until = NOW - 3 * SECOND


# What only takes off what is held passes these, though it does not say so.
TRUE_REDUCTIONS_PASS = ("kill switch", "position", "halt", "guardian", "host lease", "protection")

STOP = {"trigger": 61_000, "by": TriggerBy.MARK}

ROWS = {
    "instrument": Row(UnknownSymbol, PERP, None, before=delisted),
    "client id": Row(OrderInvalid, "37", "36", view={"client_id": "x" * 37}),
    "request key": Row(DuplicateCommand, None, None, terms={"once": KEY},
                       view={"keys": taken(), "slot": 1}, says=("order a-1, FILLED",)),
    "position side": Row(AccountMode, "both", "long or short", before=in_hedge_mode),
    "market price": Row(MarketDataUnavailable, "no price", "a price", order=("buy", 5), before=priced_by_venue),
    "kill switch": Row(Killed, "on: lunch", "off", before=lambda d: setattr(d.gate.halts, "killed", "lunch")),
    "journal": Row(DiskFull, "full", "has room", before=on_gate(disk_full=True)),
    "danger": Row(BannedSymbol, "3", "2", order=("sell", 5), says=("danger 3",),
                  before=lambda d: (d.hold(10), halted(level=3)(d))),
    "halt": Row(BannedSymbol, "150.00 USDT", "150 USDT", before=halted(loss="150.00 USDT", limit="150 USDT")),
    "guardian": Row(NoGuardian, "been over for 3.0 s", "0 s", before=unguarded),
    "host lease": Row(NoLease, "been over for 3.0 s", "0 s", before=unleased),
    "protection": Row(NotProtected, "3.0 s", "0 s", before=lambda d: d.gate.halts.protect(PERP, NOW - 3 * SECOND)),
    "reconciled": Row(VenueUnavailable, "being reconciled", "reconciled",
                      before=on_gate(ready=False)),
    "account stream": Row(StaleData, "silent", "reporting", before=on_gate(is_deaf=True)),
    "market data": Row(StaleData, "silent for 3.0 s", "2.0 s",
                       before=around_gate(silent_ns=lambda _: 3 * SECOND, silent_max_ns=lambda _: 2 * SECOND)),
    "decision age": Row(StaleData, "1.5 s", "1.0 s", view={"behind_ns": 3 * SECOND // 2},
                        before=around_gate(decision_max_ns=SECOND)),
    "unknown orders": Row(OrderOutcomeUnknown, "1", "0",
                          before=lambda d: d.lose("buy", 10, 59_000)),
    "order": Row(OrderInvalid, None, None, terms={"post_only": True, "type": OrderType.MARKET}),
    "trigger": Row(OrderInvalid, None, None, ("sell", 10**8), STOP, SPOT,
                   before=lambda d: d.own("BTC", "1")),
    "quantity": Row(OrderInvalid, "10000.000", "0.001 to 1000 in steps of 0.001",
                    ("buy", 10_000_000, 60_000), says=("10000.000", "1000")),
    "tick": Row(OrderInvalid, "60000.1", "0.5", ("buy", 10, "60000.1"), before=coarse),
    "venue price band": Row(PriceBand, "10 %", "5 %", ("buy", 10, 66_000)),
    "least value": Row(OrderBelowMinNotional, "59", "100", ("buy", 1, 59_000)),
    "account mode": Row(AccountMode, "one-way, cannot trade", "one-way", before=read_only),
    "own orders": Row(SelfTrade, "trade with o1", None, before=lambda d: d.work("sell", 10, 60_000)),
    "reduction": Row(ReduceOnlyViolated, "0.011", "0.010", ("sell", 11), {"reduce_only": True},
                     before=lambda d: d.hold(10)),
    "symbols": Row(BannedSymbol, PERP, SPOT, limits={"symbols": frozenset({SPOT})}),
    "order size": Row(OrderInvalid, "0.010", "0.009", limits={"order_max": {PERP: 9}}),
    "order value": Row(PositionLimit, "600 USDT", "592.99 USDT",
                       limits={"order_value_max": {"USDT": UNIT * 59299 // 100}}),
    "open orders": Row(PositionLimit, "1", "1", limits={"open_orders_max": 1},
                       before=lambda d: d.work("buy", 1, 59_000)),
    "open value": Row(PositionLimit, "1190 USDT", "1182 USDT", limits={"open_value_max": {"USDT": UNIT * 1182}},
                      before=lambda d: d.work("buy", 10, 59_000)),
    "position": Row(PositionLimit, "0.020", "0.015", limits={"position_max": {PERP: 15}},
                    before=lambda d: d.hold(10)),
    "price band": Row(PriceBand, "2 %", "1 %", ("buy", 10, 61_200),
                      limits={"price_band": Decimal("0.01")}),
    "robot's order rate": Row(OrderRate, "10 in 10 s", "10 in 10 s", before=leave(10, 1),
                              view={"robot": 1, "rate": 1}),
    "messages": Row(OrderRate, "1", "1", limits={"messages_a_second": 1},
                    before=lambda d: d.gate.rates.message(NOW)),
    "order rate": Row(OrderRate, "1", "1", limits={"orders_a_second": 1}, before=leave(1)),
    "money": Row(InsufficientFunds, "602.4 USD", "600 USD", ("buy", 10**6, 60_000), {}, SPOT,
                 before=lambda d: d.own("USD", "600")),
}  # fmt: skip
OF_SUBACCOUNTS = {"sub-account reduction", "sub-account money"}


def viewed(desk: Desk, spec: OrderSpec, **values: object) -> View:
    view = View(desk.gate, spec, NOW)
    for name, value in values.items():
        setattr(view, name, value)
    return view


def test_each_rule_has_a_row_that_breaks_it():
    assert [*BY_NAME] == [rule.name for rule in RULES]  # no two of one name
    assert ROWS.keys() | OF_SUBACCOUNTS == BY_NAME.keys()


@pytest.mark.parametrize("rule", ROWS)
def test_an_order_that_breaks_one_rule_is_refused_with_figure_and_limit(rule):
    row = ROWS[rule]
    desk = Desk(row.symbol, **row.limits)
    spec = desk.spec(*row.order, **row.terms)
    if row.before:
        row.before(desk)
    view = viewed(desk, spec, **row.view)
    found = {each.rule: each for each in checks(view)}
    assert [*found] == ([*BY_NAME] if rule != "instrument" else [rule])
    broken = [name for name, each in found.items() if each.refusal is not None]
    assert broken == [rule]
    check = found[rule]
    assert check.refusal.code == row.error.code
    assert row.error in BY_NAME[rule].errors
    assert (check.figure, check.limit) == (row.figure, row.limit)
    for words in row.says or (row.figure or "", row.limit or ""):
        assert words in check.refusal.reason
    assert check.refusal.reason.startswith(f"{rule}: ")
    shown = check.as_json()
    assert (shown["passed"], shown["code"], shown["limit"]) == (False, row.error.code, row.limit)
    assert shown["name"] == row.error.name
    # What was asked about counts for nothing: the same order is judged the same.
    assert refusal_of(view) == check.refusal


@pytest.mark.parametrize("rule", [name for name in ROWS if BY_NAME[name].reduction])
def test_a_reduction_passes_what_stops_new_risk_and_its_figure_stands(rule):
    row = ROWS[rule]
    desk = Desk(row.symbol, **row.limits)
    if row.before:
        row.before(desk)
    desk.hold(100)
    # On the dear side of a band of 1 %, and more than one of 9 may have.
    new = viewed(desk, desk.spec("sell", 10, 59_300), **row.view)
    out = viewed(desk, desk.spec("sell", 10, 59_300, reduce_only=True), **row.view)
    found = {each.rule: each for each in checks(out)}
    if rule in TRUE_REDUCTIONS_PASS:
        assert refusal_of(new) is None
    else:
        same = {each.rule: each for each in checks(new)}[rule]
        assert refusal_of(new) == same.refusal
        assert same.refusal.reason.startswith(f"{rule}: ")
        assert (found[rule].figure, found[rule].limit) == (same.figure, same.limit)
    assert found[rule].refusal is None
    assert refusal_of(out) is None


JUDGED = {
    "order": (("sell", 10, 60_000), {"tag": "x" * 33}, None),
    "quantity": (("sell", 10_000_000, 60_000), {}, lambda d: d.hold(10**8)),
    "tick": (("sell", 10, "60000.1"), {}, coarse),
    "venue price band": (("sell", 10, 50_000), {}, None),
    "own orders": (("sell", 10, 60_000), {}, lambda d: d.work("buy", 10, 60_000)),
    "reduction": (("sell", 101), {}, None),
    "client id": (("sell", 10), {}, None),
    "request key": (("sell", 10), {"once": KEY}, None),
}


@pytest.mark.parametrize("rule", JUDGED)
def test_a_reduction_does_not_pass_what_the_venue_refuses_or_what_would_be_none(rule):
    order, terms, before = JUDGED[rule]
    desk = Desk()
    desk.hold(100)
    if before:
        before(desk)
    spec = desk.spec(*order, reduce_only=True, **terms)
    refusal = refusal_of(viewed(desk, spec, **ROWS[rule].view))
    assert refusal.reason.startswith(f"{rule}: ")
    assert not BY_NAME[rule].reduction


def test_what_passes_shows_its_figures_too():
    desk = Desk(position_max={PERP: 15}, order_max={PERP: 12})
    found = {each.rule: each for each in checks(View(desk.gate, desk.spec("buy", 10, 60_000), NOW))}
    assert all(each.refusal is None for each in found.values())
    assert (found["position"].figure, found["position"].limit) == ("0.010", "0.015")
    assert (found["order size"].figure, found["order size"].limit) == ("0.010", "0.012")
    assert found["kill switch"].as_json() == {"rule": "kill switch", "passed": True, "figure": "off", "limit": "off"}


@pytest.mark.parametrize(("reduces", "limit"), [(False, "5 %"), (True, "20 %")])
def test_on_a_silent_market_the_venues_band_is_wider_for_a_reduction_alone(reduces, limit):
    desk = Desk()
    desk.hold(10)
    surround(desk.gate, silent_ns=lambda _: 3 * SECOND)
    spec = desk.spec("sell", 10, 45_000, reduce_only=reduces)
    found = {each.rule: each for each in checks(View(desk.gate, spec, NOW))}
    assert (found["venue price band"].figure, found["venue price band"].limit) == ("25 %", limit)
    assert limit in found["venue price band"].refusal.reason


def funded(tmp_path: Path, held: float) -> Funded:
    account = Funded(tmp_path, "contracts")
    account.fund(USDT=2000)
    account.allocate(A, USDT=1000)
    surround(account.gate, shares=account.money)
    if held:
        account.hold(A, "BTC", held)
    return account


@pytest.mark.parametrize(
    ("rule", "side", "size", "held", "error", "words"),
    [
        ("sub-account money", Side.BUY, 0.5, 0, InsufficientFunds, "sub-account a has 1000 free"),
        ("sub-account reduction", Side.SELL, 0.02, 0.01, ReduceOnlyViolated, "0.020, 0.010 of its sub-account"),
    ],
)
def test_a_sub_account_has_rules_of_its_own(tmp_path, rule, side, size, held, error, words):
    with funded(tmp_path, held) as account:
        spec = OrderSpec(
            symbol=account.symbols["BTC"],
            side=side,
            size_int=account.size("BTC", size),
            price_int=account.price("BTC"),
            reduce_only=bool(held),
        )
        account.manager.positions[spec.symbol, spec.position_side] = 1000  # others hold more
        view = View(account.gate, spec, FUNDED_NOW)
        view.robot, view.shares = A, account.money
        found = account.reductions.outgoing(A, spec, knows=True)
        view.netted = None if isinstance(found, OrderSpec) else found
        received = {each.rule: each for each in checks(view)}
        assert [name for name, each in received.items() if each.refusal] == [rule]
        refusal = refusal_of(view)
        assert (refusal, refusal.code) == (received[rule].refusal, error.code)
        assert refusal.reason.startswith(f"{rule}: ")
        assert words in refusal.reason
        assert received[rule].figure.split()[0] in refusal.reason
        assert received[rule].limit.split()[0] in refusal.reason
        assert error in BY_NAME[rule].errors


def test_unknown_orders_of_another_instrument_are_not_counted(tmp_path):
    with funded(tmp_path, 0) as account:
        for number, coin in enumerate(("BTC", "ETH", "ETH")):
            spec = OrderSpec(
                symbol=account.symbols[coin], side=Side.BUY, size_int=1000, price_int=account.price(coin, -1000)
            )
            request = Request(A, RequestKind.PLACE, number, spec)
            account.manager.submit(f"o{number}", request, FUNDED_NOW)
            lost = account.manager.calls.pop()
            account.manager.answered(lost, Answer(Outcome.AMBIGUOUS), FUNDED_NOW)
        received = {each.rule: each for each in checks(View(account.gate, spec, FUNDED_NOW))}
        assert (received["unknown orders"].figure, received["unknown orders"].limit) == ("2", "0")
        assert "2 with an unknown outcome, among them o1; at most 0" in received["unknown orders"].refusal.reason


@pytest.mark.parametrize(
    ("rule", "size", "error"), [("sub-account reduction", 0.02, ReduceOnlyViolated), ("sub-account money", 1, None)]
)
def test_an_amendment_is_judged_by_what_its_sub_account_has(tmp_path, rule, size, error):
    held = 0.01 if error else 0
    with funded(tmp_path, held) as account:
        terms = {"reduce_only": True} if held else {}
        side = Side.SELL if held else Side.BUY
        away = 100_000 * -side.sign
        order = account.ask(A, side, "BTC", 0.005, price_int=account.price("BTC", away), **terms)
        account.manager.positions[order.spec.symbol, order.spec.position_side] = 1000
        refusal = account.gate.amendment(order, account.now, price=0, size=account.size("BTC", size))
        assert refusal.code == (error or InsufficientFunds).code
        assert refusal.reason.startswith(f"{rule}: ")


def test_the_documentation_has_the_list():
    rows = re.findall(r"^\| `([^`|]+)` \| [^|]+ \| ([^|]+) \| (\w+)[^|]* \|", DOCS.read_text(), re.M)
    found = {name: (set(re.findall(r"`([A-Z_]+)`", codes)), how) for name, codes, how in rows}
    wanted = {
        rule.name: ({each.name for each in rule.errors}, "passes" if rule.reduction else "judged") for rule in RULES
    }
    assert [*found] == [*wanted]
    assert found == wanted
