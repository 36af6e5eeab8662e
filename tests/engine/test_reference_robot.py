"""Whole sessions against the reference: a strategy that orders at random through its public
services, over a random tape, with latency. What the robot hears, when, and what its account then
holds is what the slow loop says, to the last unit; and no cash comes or goes without a name."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tapes

from onetape import Strategy
from onetape.engine.accounts import SHARED
from onetape.engine.latency import Latency
from onetape.engine.venue_options import Closed, VenueOptions
from onetape.model.fee_tiers import FeeTier
from onetape.model.instrument import from_symbol
from onetape.tape.journal import JournalReader, JournalWriter
from reference.exchange import Exchange
from reference.facts import Facts
from reference.robot import Loop
from reference.worlds import BTC, USDT, World, make

LONG = os.environ.get("ONETAPE_LONG") == "1"
SYMBOLS = {
    "linear": ["binance:ETH/USDT:USDT", "binance:SOL/USDT:USDT", "binance:XRP/USDT:USDT"],
    "inverse": ["binance:BTC/USD:BTC", "kraken:BTC/USD:BTC", "okx:BTC/USD:BTC"],
    "spot": ["binance:BTC/USDT", "kraken:BTC/USDT", "okx:BTC/USDT"],
}
KINDS = list(SYMBOLS)
START = tapes.START


class Chance(Strategy):
    """One to three requests after some of the frames that it is shown."""

    symbols: list = []  # noqa: RUF012 - set by the test, like the two below
    periods: dict = {}  # noqa: RUF012
    sides: tuple = (None,)
    patience: int = 0  # ns

    def on_start(self):
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True, trades=True, book=True, mark=True, funding=True,
                           bars=self.periods.get(symbol))  # fmt: skip
        self.frames = -1
        self.sent = []  # (number of the frame, actions until then, orders refused here)
        self.refused = set()

    def on_quote(self, q):
        self.seen(q.symbol, q.bid or q.ask)

    def on_trade(self, t):
        self.seen(t.symbol, t.price)

    def on_book(self, book):
        level = book.best_bid or book.best_ask
        self.seen(None, level[0] if level else 0)

    def on_mark(self, m):
        self.seen(m.symbol, m.mark)

    def on_funding(self, f):
        self.seen(f.symbol, 0)

    def on_bar(self, bar):
        self.seen(bar.symbol, bar.close)

    def on_instrument(self, instrument):
        self.seen(None, 0)

    def seen(self, symbol, price):
        self.frames += 1
        r = self.random
        if symbol and price > 0 and r.random() < 0.6:
            for _ in range(r.randint(1, 2)):
                self.act(symbol, price)
        self.sent.append((self.frames, self._sim.counters()["actions"]))

    def act(self, symbol, price):
        r, what = self.random, self.random.random()
        working = self.orders(symbol)
        if working and what < 0.15:
            self.cancel(r.choice(working))
        elif working and what < 0.3:
            order = r.choice(working)
            near = price + r.randint(-5, 5) if order.price and r.random() < 0.5 else None
            self.amend(order, price=near, qty=r.randint(1, 9) if not near else None)
        else:
            options = {}
            if r.random() < 0.3:
                options["trigger"] = price + r.randint(-8, 8)
                options["trigger_by"] = r.choice(["last", "mark"])
            limit = price + r.randint(-5, 5) if r.random() < 0.6 else None
            if limit:
                options["tif"] = r.choice(["GTC", "GTC", "GTC", "IOC", "FOK", "GTD"])
                if options["tif"] == "GTD":
                    options["expire"] = self.now + r.randint(1, self.patience)
                else:
                    options["post_only"] = options["tif"] == "GTC" and r.random() < 0.3
            send = r.choice([self.buy, self.sell])
            order = send(
                symbol, r.randint(1, 9), limit, reduce_only=r.random() < 0.2,
                position_side=r.choice(self.sides), **options,
            )  # fmt: skip
            if order.state == "DENIED":
                self.refused.add(order.id)


# --- the world on a tape ------------------------------------------------------------------------


class Named:
    """A world's instruments under symbols, and its facts as those symbols' currencies make them."""

    def __init__(self, world: World) -> None:
        free = {kind: list(symbols) for kind, symbols in SYMBOLS.items()}
        self.symbols = [free[facts.kind].pop(0) for facts in world.facts]
        self.venues = [symbol.partition(":")[0] for symbol in self.symbols]
        self.facts = [self.facts_of(index, facts) for index, facts in enumerate(world.facts)]

    def facts_of(self, index: int, facts: Facts) -> Facts:
        venue = self.venues.index(self.venues[index])
        return replace(
            facts, venue=venue, settle=BTC if facts.kind == "inverse" else USDT, base=BTC, expiry=0,
            volume_group=venue * 3 + KINDS.index(facts.kind), size_max=0, market_size_max=0,
        )  # fmt: skip


def instrument(symbol: str, facts: Facts, version: int = 1) -> Any:
    def rate(value: int) -> Decimal:
        return Decimal(value).scaleb(-12)

    return from_symbol(
        symbol, version=version, tick=Decimal(facts.tick).scaleb(-facts.price_decimals),
        lot=Decimal(facts.lot).scaleb(-facts.size_decimals), multiplier=int(facts.multiplier),
        price_decimals=facts.price_decimals, size_decimals=facts.size_decimals,
        notional_min=Decimal(facts.notional_min).scaleb(-18), maker_fee=rate(facts.maker_fee),
        taker_fee=rate(facts.taker_fee), maintenance_rate=rate(facts.maintenance_rate),
        band_up=Decimal(facts.band_up).scaleb(-6), band_down=Decimal(facts.band_down).scaleb(-6),
        brackets=facts.brackets, leverage=facts.leverage,
        liquidation_fee=rate(facts.liquidation_fee),
        fee_tiers=tuple(
            FeeTier(volume_min=Decimal(v).scaleb(-18), maker_fee=rate(m), taker_fee=rate(t))
            for v, m, t in facts.fee_tiers
        ),
    )  # fmt: skip


def write(path: Path, named: Named, frames: list[Any]) -> Path:
    writer = JournalWriter(path, process="test", durable=False)
    for number, (symbol, each) in enumerate(zip(named.symbols, named.facts, strict=True), 1):
        writer.append_instrument(number, START, instrument(symbol, each).to_msgpack())
    for number, (time, event, index, cells) in enumerate(frames, 2):
        flags = 0
        if event == "version":
            made = instrument(named.symbols[index], cells[0], number)
            writer.append_instrument(index + 1, time, made.to_msgpack())
            continue
        if event == "quote":
            row = tapes._QUOTE.pack(time, time, *cells, 0, 0)
        elif event == "trade":
            price, size, side = cells
            row = tapes._TRADE.pack(time, time, price, size, 0, 0, tapes._SIDES[side], 0)
        elif event == "book":
            bids, asks, snapshot = cells
            row = tapes._BOOK.pack(time, time, 0, 0, 0, len(bids), len(asks))
            row += b"".join(tapes._LEVEL.pack(*level) for level in (*bids, *asks))
            flags = int(snapshot)
        elif event == "mark":
            row = tapes._MARK.pack(time, time, *cells)
        elif event == "funding":
            row = tapes._MARK.pack(time, time, *cells) + tapes._LAST.pack(0)
        else:
            opened, *prices = cells
            row = tapes._BAR.pack(opened, time, time - opened, *prices, 0, 0, -1, 0)
        writer.append(event, row, flags=flags, stream=index + 1, time=time)
    writer.close()
    return path


def scale_of(world: World) -> int:
    """Bars of 20 or 500 ns are no period that a strategy could name: the shortest is 1 s."""
    return max(tapes.SECOND // world.period, 1)


def frames_of(world: World, named: Named) -> list[Any]:
    """The market's steps as frames; of bars those of one period."""
    found, scale = [], scale_of(world)
    for name, now, *cells in world.steps:
        if name not in ("quote", "trade", "book", "mark", "funding", "bar", "version"):
            continue
        index, *cells = cells
        if name == "version":
            if not found:
                continue  # the run begins with a market event
            cells = [named.facts_of(index, cells[0])]
        if name == "bar":
            if now - cells[0] != world.period:
                continue
            cells = [START + cells[0] * scale, *cells[1:]]
        found.append((START + now * scale, name, index, tuple(cells)))
    return found


# --- both ---------------------------------------------------------------------------------------


def heard_by(journal: Path) -> tuple[list[Any], list[Any]]:
    """(requests, news) of a run's journal, in order."""
    requests, news = [], []
    with JournalReader(journal) as reader:
        for record in reader:
            if record.type == "order_request":
                requests.append((record.stream - 1, record.data))
            elif record.type in ("order_event", "fill"):
                news.append((record.time, record.type, record.stream - 1, record.data))
            elif record.type == "transfer":
                news.append((record.time, "cash", record.stream - 1, record.data))
    return requests, news


def as_asked(data: dict[str, Any]) -> dict[str, Any]:
    kind = data["kind"]
    asked = {"kind": kind, "order_id": data["order_id"], "price": data["price"],
             "size": data["size"]}  # fmt: skip
    if kind == "amend":
        asked["trigger"] = data["trigger"]
    if kind == "place":
        asked |= {
            key: data[key]
            for key in ("side", "type", "tif", "trigger", "trigger_by", "position_side")
        }
        asked["trigger_by"] = data["trigger_by"] or "none"
        asked |= {"expire": data["expire_ns"], "post_only": bool(data["flags"] & 1),
                  "reduce_only": bool(data["flags"] & 2)}  # fmt: skip
    return asked


def said_by(news: list[Any]) -> list[Any]:
    """The reference's answers in the words of the journal's fields."""
    rows = []
    for each in news:
        event = each.event
        if event["event"] == "fees":
            continue
        rows.append((each.heard, event))
    return rows


def compared(seed: int, tmp_path: Path) -> dict[str, int]:
    world = make(seed, 150)
    named = Named(world)
    symbols, facts = named.symbols, named.facts
    frames = frames_of(world, named)
    fuse = "all" in world.data and seed % 3 > 0
    if len(frames) < 5:
        return {}
    cash = {"USDT": Decimal(world.deposits[USDT]).scaleb(-18), "BTC": Decimal(50)}
    used = {each.settle for each in facts} | {each.base for each in facts if each.is_spot}
    names = {c: name for c, name in ((USDT, "USDT"), (BTC, "BTC")) if c in used}
    cash = {name: cash[name] for name in names.values()}
    scale = scale_of(world)
    rules = replace(
        world.rules,
        order_window=world.rules.order_window * scale,
        trigger_delay=world.rules.trigger_delay * scale,
        borrow={c: rate for c, rate in world.rules.borrow.items() if c in names},
        closed=tuple((START + a * scale, START + b * scale, c) for a, b, c in world.rules.closed),
    )
    seconds = world.period * scale // tapes.SECOND
    barred = {index for _, event, index, _ in frames if event == "bar"}
    periods = {symbols[index]: f"{seconds}s@venue" for index in barred}
    there, back = [(0, 0), (7, 0), (0, 11), (300, 200), (3, 4)][seed % 5]
    there, back = there * scale, back * scale
    tape = write(tmp_path / "tape", named, frames)
    made = type("Mine", (Chance,), {
        "symbols": symbols, "periods": periods,
        "sides": ("long", "short") if world.hedge else (None,), "patience": 1000 * scale,
    })  # fmt: skip
    played = tapes.play(
        made, tape, journal=tmp_path / "run", latency=Latency(there, back), fee=None, cash=cash,
        leverage=world.leverage if world.leverage <= 25 else 25, hedge=world.hedge,
        margin="isolated" if world.isolated else "cross", seed=seed,
        queue=world.queue.name if world.queue.name in ("conservative", "log", "log2")
        else f"{world.queue.name}:{world.queue.exponent:g}",
        bar_volume_share=world.bar_volume_share, fuse=fuse,
        venue=VenueOptions(
            order_rate=(rules.order_limit, rules.order_window) if rules.order_limit else None,
            trigger_delay=rules.trigger_delay,
            closed=[Closed(a, b, "", cancels) for a, b, cancels in rules.closed],
            borrow={names[c]: Decimal(rate).scaleb(-12) for c, rate in rules.borrow.items()},
        ),
    )  # fmt: skip
    requests, news = heard_by(tmp_path / "run")
    robot = played.robot
    assert not played.host.failures, played.host.failures[0]
    assert robot.frames == len(frames) - 1, "a frame that the robot was not shown"
    by_frame: dict[int, list[Any]] = defaultdict(list)
    before = 0
    for number, until in robot.sent:
        for index, data in requests[before:until]:
            if not (data["kind"] == "place" and data["order_id"] in robot.refused):
                by_frame[number].append((index, as_asked(data)))
        before = until
    exchange = Exchange(
        facts, rules=rules,
        leverage=world.leverage if world.leverage <= 25 else 25, hedge=world.hedge,
        isolated=world.isolated, queue=world.queue, bar_volume_share=world.bar_volume_share,
        fuse=fuse, begin=frames[0][0],
    )  # fmt: skip
    loop = Loop(exchange, frames, by_frame, there=there, back=back)
    for currency, name in names.items():
        amount = int(cash[name].scaleb(18))
        exchange.account.balances[currency] += amount
        loop.known.balances[currency] += amount
    loop.run()

    wanted = said_by(loop.heard)
    for (time, kind, index, data), (heard, event) in zip(news, wanted, strict=False):
        there_ = f"seed {seed}: at {time - START} {kind} {data}; reference {heard - START} {event}"
        assert time == heard, there_
        if kind == "cash":
            assert event["event"] == "cash", there_
            assert Decimal(data["amount"]).scaleb(18) == event["amount"], there_
            continue
        assert index == event["owner"], there_
        for key, value in event.items():
            if key in data:
                assert (data[key] or "none") == value or data[key] == value, f"{key}: {there_}"
    rest = max(news, wanted, key=len)[min(len(news), len(wanted)) :][:2]
    assert not rest, f"seed {seed}: only one of the two says {rest}"

    sim, known = played.sim, loop.known
    for currency, name in names.items():
        balance = Decimal(sim.balance_text(played.host.money_index(SHARED, name))).scaleb(18)
        assert balance == known.balances[currency], f"seed {seed}: {name}"
        conserved(exchange, currency, int(cash[name].scaleb(18)))
        conserved_by(known, exchange.facts, currency, int(cash[name].scaleb(18)))
    for index, symbol in enumerate(symbols):
        for side in ("long", "short") if world.hedge else (None,):
            held = known.at(index, side or "both")
            assert robot.position(symbol, side).qty_int == held.qty
        assert Decimal(sim.fees_text(index)).scaleb(18) == known.fees[index]
        assert Decimal(sim.funding_text(index)).scaleb(18) == known.funding[index]
        assert Decimal(sim.insurance_text(index)).scaleb(18) == known.insurance[index]
    for index, market in enumerate(exchange.markets):
        known.marks[index] = valued(market)
    # The robot's own book is the venue's, not the fused one.
    assert fuse or Decimal(sim.equity_text).scaleb(18) == known.equity(next(iter(names)))
    assert sim.counters()["fused_quotes"] == exchange.fused_quotes
    return {
        "requests": len(requests),
        "fills": sum(kind == "fill" for _, kind, *_ in news),
        "versions": sum(event == "version" for _, event, *_ in frames),
        "fused": exchange.fused_quotes,
    }


def valued(market: Any) -> int:
    """What the robot reckons a holding with: mark, mid, last trade, close of a bar."""
    depth, quote = market.depth or {"buy": {}, "sell": {}}, market.quote
    if market.mark:
        return market.mark
    if quote and quote.bid and quote.ask:
        return quote.bid + (quote.ask - quote.bid) // 2
    if depth["buy"] and depth["sell"]:
        low, high = max(depth["buy"]), min(depth["sell"])
        return low + int((high - low) / 2)
    return market.trade.price if market.trade else market.bar.close if market.bar else 0


def conserved(exchange: Exchange, currency: int, deposited: int) -> None:
    conserved_by(exchange.account, exchange.facts, currency, deposited)


def conserved_by(account: Any, facts: list[Facts], currency: int, deposited: int) -> None:
    """What came and went has a name: trades, fees, funding, insurance, interest."""
    change = account.interest[currency]
    for index, each in enumerate(facts):
        if each.settle == currency:
            change += account.funding[index] + account.insurance[index]
            change -= account.fees[index] + account.liquidation_fees[index]
            held = [h for (i, _), h in account.held.items() if i == index]
            if each.is_spot:
                change += sum(h.realized - h.cost for h in held)
            else:
                change += sum(h.realized for h in held)
        if each.is_spot and each.base == currency:
            change += sum(each.coins(h.qty) for (i, _), h in account.held.items() if i == index)
    assert account.balances[currency] == deposited + change


@pytest.mark.parametrize("group", range(60 if LONG else 6))
def test_a_session_is_that_of_the_reference(group: int, tmp_path: Path) -> None:
    met: dict[str, int] = defaultdict(int)
    for seed in range(group * 25, group * 25 + 25):
        for name, count in compared(seed, tmp_path / str(seed)).items():
            met[name] += count
    assert met["requests"] > 300
    assert met["fills"] > 100
    assert met["versions"] > 3
    assert met["fused"] > 5
