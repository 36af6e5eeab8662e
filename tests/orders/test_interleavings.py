"""Answers and words of the stream overtake each other as they like: every order of them ends alike.

Each scenario is what really happened to one order, as events that reach the gateway; all their
permutations are played. Questions that the gateway then has are answered with the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations

import pytest

from onetape.model import catalogue
from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TriggerBy,
    TriggerKind,
)
from onetape.model.errors import OrderUnknown
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import FillOut, NewsOut, Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import FillReport, OrderStatusReport
from onetape.venues.binance.trading import BinanceUsdmProtocol
from orders.surroundings import manager_at

SYMBOL = "binance:BTC/USDT:USDT"
NOW = 1_795_000_000_000_000_000
SECOND = 1_000_000_000
PRICE, SIZE, NAME = 600_000, 10, "order"
ENDS = {"canceled", "rejected", "expired", "absent"}


def row(
    state: str,
    filled: int,
    time: int,
    *,
    size=SIZE,
    price=PRICE,
    conditional=False,
    venue_id="7",
    news: OrderNews | None = None,
) -> OrderStatusReport:
    return OrderStatusReport(
        SYMBOL,
        NAME,
        venue_id,
        OrderState(state),
        NOW + time,
        news=news,
        side=Side.BUY,
        price=price,
        size=size,
        filled=filled,
        conditional=conditional,
    )


def fill(trade: int, size: int, time: int, *, listed=False) -> FillReport:
    return FillReport(
        SYMBOL,
        "" if listed else NAME,
        "7",
        trade,
        Side.BUY,
        PositionSide.BOTH,
        PRICE,
        size,
        NOW + time,
        0,
        "USDT",
        Liquidity.MAKER,
    )


def done(*report) -> Answer:
    return Answer(Outcome.DONE, report)


LOST = Answer(Outcome.AMBIGUOUS)
GONE = Answer(Outcome.DEFINITIVE, code=OrderUnknown.code, not_found=True)
FOUR, SIX = fill(1, 4, 20), fill(2, 6, 30)
NEW = [row("ACCEPTED", 0, 10, news=OrderNews.ACCEPTED)]
PART = [FOUR, row("PARTIALLY_FILLED", 4, 20)]
REST = [SIX, row("FILLED", 10, 30)]
OUT = [row("CANCELED", 4, 30, news=OrderNews.CANCELED)]
BIGGER = [row("ACCEPTED", 0, 15, size=14, price=PRICE + 1, news=OrderNews.UPDATED)]
ALL = [fill(1, 4, 20), fill(2, 10, 30), row("FILLED", 14, 30, size=14, price=PRICE + 1)]


@dataclass
class Scenario:
    """events: (purpose, answer) of what was asked, or words of the stream. truth: how it stands
    afterwards, with its fills."""

    events: list
    truth: OrderStatusReport
    fills: list[FillReport]
    ends: str
    asks: str = ""  # for "cancel" or "amend" when the order works
    spec: dict = field(default_factory=dict)


PLACED = (Purpose.PLACE, done(row("ACCEPTED", 0, 10)))
SCENARIOS = {
    "filled in two": Scenario(
        [PLACED, NEW, PART, REST], row("FILLED", 10, 30), [FOUR, SIX], "FILLED"),
    "filled, told by a list too": Scenario(
        [PLACED, PART, REST, [fill(1, 4, 20, listed=True), fill(2, 6, 30, listed=True)]],
        row("FILLED", 10, 30), [FOUR, SIX], "FILLED"),
    "filled, the answer lost": Scenario(
        [(Purpose.PLACE, LOST), NEW, PART, REST], row("FILLED", 10, 30), [FOUR, SIX], "FILLED"),
    "filled at once, as the answer says": Scenario(
        [(Purpose.PLACE, done(row("FILLED", 10, 30))), NEW, PART, REST], row("FILLED", 10, 30),
        [FOUR, SIX], "FILLED", spec={"type": OrderType.MARKET, "price_int": 0}),
    "partly filled and expired": Scenario(
        [PLACED, NEW, PART, [row("EXPIRED", 4, 30, news=OrderNews.EXPIRED)]],
        row("EXPIRED", 4, 30), [FOUR], "EXPIRED"),
    "canceled": Scenario(
        [(Purpose.CANCEL, done(row("CANCELED", 4, 30))), PART, OUT], row("CANCELED", 4, 30),
        [FOUR], "CANCELED", asks="cancel"),
    "canceled, told twice": Scenario(
        [(Purpose.CANCEL, done(row("CANCELED", 4, 30))), PART, PART, OUT, OUT],
        row("CANCELED", 4, 30), [FOUR], "CANCELED", asks="cancel"),
    "canceled, the answer lost": Scenario(
        [(Purpose.CANCEL, LOST), NEW, PART, OUT], row("CANCELED", 4, 30), [FOUR], "CANCELED",
        asks="cancel"),
    "canceled, and filled before": Scenario(
        [(Purpose.CANCEL, GONE), PART, REST], row("FILLED", 10, 30), [FOUR, SIX], "FILLED",
        asks="cancel"),
    "amended and filled": Scenario(
        [(Purpose.AMEND, done(row("ACCEPTED", 0, 15, size=14, price=PRICE + 1))), BIGGER, ALL[:1],
         ALL[1:]],
        ALL[-1], ALL[:2], "FILLED", asks="amend"),
    "amended, the answer lost": Scenario(
        [(Purpose.AMEND, LOST), NEW, BIGGER, ALL], ALL[-1], ALL[:2], "FILLED", asks="amend"),
    "not amended, because filled": Scenario(
        [(Purpose.AMEND, GONE), PART, REST], row("FILLED", 10, 30), [FOUR, SIX], "FILLED",
        asks="amend"),
    "fired and filled": Scenario(
        [(Purpose.PLACE, done(row("ACCEPTED", 0, 10, conditional=True, venue_id="5"))),
         [row("ACCEPTED", 0, 10, conditional=True, venue_id="5", news=OrderNews.ACCEPTED)],
         [row("TRIGGERED", 0, 18, news=OrderNews.TRIGGERED)],
         [row("ACCEPTED", 0, 19, news=OrderNews.ACCEPTED)], [*PART, *REST]],
        row("FILLED", 10, 30), [FOUR, SIX], "FILLED",
        spec={"trigger_int": PRICE, "trigger_by": TriggerBy.LAST,
              "trigger_kind": TriggerKind.STOP}),
}  # fmt: skip


class Player:
    def __init__(self, scenario: Scenario) -> None:
        found = catalogue.find(SYMBOL)
        assert found is not None
        protocol = BinanceUsdmProtocol("k", "s")
        protocol.set_instruments([found])
        self.manager = manager_at(protocol)
        self.scenario = scenario
        self.now = NOW
        spec = {"price_int": PRICE, "size_int": SIZE} | scenario.spec
        request = Request(1, RequestKind.PLACE, 1, OrderSpec(symbol=SYMBOL, side=Side.BUY, **spec))
        order = self.order = self.manager.submit(NAME, request, NOW)
        if scenario.asks:
            self.manager.answered(self.manager.calls.pop(), PLACED[1], NOW)
        if scenario.asks == "cancel":
            self.manager.cancel(order, NOW)
        if scenario.asks == "amend":
            self.manager.amend(order, NOW, price=PRICE + 1, size=14)
        self.queries = {call.purpose: call for call in self.manager.calls}
        self.manager.calls.clear()

    def play(self, events) -> tuple:
        for event in events:
            self.now += 1000
            if isinstance(event, tuple):
                self.manager.answered(self.queries[event[0]], event[1], self.now)
            else:
                self.manager.hear(event, self.now)
            self.answer()
        for _ in range(200):
            if self.manager.next_due > self.now + 60 * SECOND and not self.manager.calls:
                break
            self.now += SECOND
            self.manager.tick(self.now)
            self.answer()
        return self.end()

    def answer(self) -> None:
        """With the truth, a moment later."""
        calls, self.manager.calls = self.manager.calls, []
        for call in calls:
            match call.purpose:
                case Purpose.QUERY:
                    self.manager.answered(call, done(self.scenario.truth), self.now)
                case Purpose.FILLS:
                    listed = [f._replace(client_id="") for f in self.scenario.fills]
                    self.manager.answered(call, done(*listed), self.now)
                case _:
                    self.manager.answered(call, GONE, self.now)

    def end(self) -> tuple:
        manager, order = self.manager, self.order
        ended = [o.news.value for o in manager.outs if isinstance(o, NewsOut) and o.news.value in ENDS]
        booked = sorted(o.fill.trade_id for o in manager.outs if isinstance(o, FillOut))
        return (
            order.state.value,
            order.filled,
            order.size,
            ended,
            booked,
            manager.positions.get((SYMBOL, PositionSide.BOTH), 0),
            list(manager.open),
            manager.unmatched,
        )


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_order_of_answers_and_words_ends_alike(name):
    scenario = SCENARIOS[name]
    size = scenario.truth.size
    filled = sum(f.size for f in scenario.fills)
    ended = [] if scenario.ends == "FILLED" else [scenario.ends.lower()]
    wanted = (scenario.ends, filled, size, ended, sorted(f.trade_id for f in scenario.fills), filled, [], {})
    for order in permutations(range(len(scenario.events))):
        found = Player(scenario).play([scenario.events[n] for n in order])
        assert found == wanted, f"the events in the order {order}"
