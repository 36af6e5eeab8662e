"""From the bytes of a market message to the bytes of a request, without sockets: what stands
between them inside a gateway and its robot in one process.

The message is decoded and put on the gateway's tape, the robot reads it there, a strategy in Python
decides, its request goes to its journal; the gateway reads that, the gate checks it, the order
manager makes an order of it, the intent goes to the tape, the protocol writes and signs the
request. Beside it: the floor of these parts, a decode, four appends and a signature alone; the
same with `cross_internally`, with orders of another sub-account working on the other side, none of
which is met; and the same at other venues, where a wallet's signature is left out.

    python bench/order_inside.py [--ticks 3000] [--profile] [KIND...]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import hashlib
import hmac
import json
import pstats
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from onetape.accounts.entries import MAIN
from onetape.accounts.table import AccountTable
from onetape.exchange.keys import wallet_pair
from onetape.exchange.pacifica.facts import wallet_pair as pacifica_pair
from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.market_feed import MarketFeed
from onetape.gateway.checkpoint import Recovered
from onetape.gateway.core import GatewayCore, Moment
from onetape.gateway.gateway_tape import GatewayTape
from onetape.gateway.robot_requests import Robots
from onetape.model.catalogue import find
from onetape.model.enums import RequestKind, Side
from onetape.model.home import gateway_journal
from onetape.model.order import OrderSpec
from onetape.options.gateway import GatewayOptions
from onetape.orders.account_orders import AccountOrders
from onetape.orders.calls import Call
from onetape.orders.machine import OrderEvent
from onetape.orders.managed import Request
from onetape.orders.outcome import Answer
from onetape.orders.reports import BalanceReport, VenueReport
from onetape.robot.live import LiveOptions, open_live
from onetape.security.private import private_folder
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from onetape.venues.pacifica.words import uuid_of

SYMBOL, RAW = "binance:BTC/USDT:USDT", "BTCUSDT"
WARM = 200
RESTING = 20  # orders of another robot that work
STRATEGY = """
from onetape import Strategy


class Echo(Strategy):
    symbol: str

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.buy(self.symbol, 0.01, quote.bid, tif="IOC")
"""

COMPILED = STRATEGY.replace("import Strategy", "import Strategy, compiled").replace(
    "class Echo", "@compiled\nclass Echo"
)


class Inside:
    """A gateway without its connections, and a robot."""

    kind, symbol, currency = "binance-usdm", SYMBOL, "USDT"
    keys: tuple[str, ...] = ("k" * 64, "s" * 64, "")
    strategy = STRATEGY

    def __init__(self, home: Path, *, crosses: bool = False) -> None:
        instrument = find(self.symbol)
        assert instrument is not None
        instrument = structs.replace(instrument, venue_number=0)
        self.far = instrument.price_int("50000", Side.SELL)
        key, secret, third = self.keys
        self.venue = open_trading_venue(self.kind, key, secret, Addresses("http://x", "ws://x", "ws://x"), third)
        self.venue.order_rules = ()  # more orders follow each other here than a venue would take
        self.protocol = self.venue.protocol
        self.protocol.set_instruments([instrument])
        path = gateway_journal(home, "main")
        private_folder(path.parent)
        options = GatewayOptions(
            kind=self.kind,
            account="main",
            rest="",
            ws="",
            key="",
            secret="",
            home=str(home),
            symbols=[self.symbol],
            subaccounts={"a": 2, "b": 3},
            cross_internally=crosses,
        )
        self.core = GatewayCore(options, self.venue, self)
        self.writer = JournalWriter(path, process="gateway:main", account="main", heartbeat=True)
        self.market = MarketFeed(
            self.venue,
            [instrument],
            self.writer,
            lambda symbol, middle: self.core.reference_prices.quoted(symbol, middle, time.monotonic_ns()),
            lambda out: None,
            DriftWatch(self.kind, lambda out: None),
            Rejects(self.kind, lambda out: None),
        )
        table = AccountTable(home, venue="x", account="main", kind=self.kind, names={"a": 2})
        self.best, self.silent_ns, self.silent_max_ns = self.market.best, self.market.silent_ns, lambda _: 0
        begun = Recovered.nothing(AccountOrders(self.protocol), self.core.kept_money([instrument]))
        account = begun.account
        tape = GatewayTape(self.writer, [instrument], account.parts, begun.state, account.currencies)
        self.core.open([instrument], self, table, begun, tape, moment())
        self.manager = self.core.manager
        self.core.gate.ready = True
        balances = {self.currency: BalanceReport(self.currency, 10**23, time.time_ns())}
        self.manager.balances.update(balances)
        self.core.money.begin(balances, is_other=False)
        self.core.money.ready()
        life = self.core.requests.attach("other", "", time.time_ns(), slot=3)
        assert life is not None
        self.other = life.number
        self.robots = Robots(self.core, loop=asyncio.get_running_loop(), moment=moment)
        self.sent: list[tuple[Call, bytes]] = []
        self.at = 0  # when the newest request was there
        self.home = home

    async def begin(self) -> None:
        """A robot begins where there is a market."""
        strategy = self.home / "echo.py"
        strategy.write_text(self.strategy)
        options = LiveOptions(strategy=str(strategy), params={"symbol": self.symbol}, home=self.home, data=())
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(None, open_live, options, {"main": self})
        while not opening.done():
            self.take(self.tick(0))
            await asyncio.sleep(0.01)
        self.robot = await opening
        self.robot.step()
        self.robots.look()
        while self.sent:
            self.settle()

    def rest(self, count: int) -> None:
        """Orders of another robot work on the other side, away from the market."""
        for number in range(1, count + 1):
            spec = OrderSpec(symbol=self.symbol, side=Side.SELL, size_int=10, price_int=self.far + number)
            request = Request(self.other, RequestKind.PLACE, number, spec)
            order = self.manager.submit(f"T{number}", request, time.time_ns())
            order.pending.clear()
            order.take(OrderEvent.ACCEPT)
        self.core.carry_out()
        self.sent.clear()

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """What a gateway answers to its robot."""
        if do == "life":
            return {"journal": "", "epoch": 0}
        if do == "attach":
            life = self.robots.attach(fields["name"], fields["journal"], time.time_ns(), slot=MAIN)
            assert life is not None
            return {
                "robot": life.number,
                "base": life.base,
                "balances": {self.currency: "100000"},
                "others": {},
                "slot": life.slot,
                "entries_after": self.writer.published,
                "leverage": 20,
                "currencies": {},
                "hedge": False,
            }
        if do == "status":
            return {"market": {"hears": True}}
        self.robots.follow(fields["robot"], is_local=True)
        return {"lacking": []}

    def take(self, message: bytes) -> None:
        self.market.take(message)

    def send(self, calls: list[Call]) -> None:
        now = time.time_ns()
        for call in calls:
            call = self.protocol.signed(call, now)
            headers = "".join([f"{name}: {value}\r\n" for name, value in call.headers.items()])
            request = f"{call.method} {call.target} HTTP/1.1\r\n{headers}\r\n".encode("latin-1")
            self.sent.append((call, request))
        self.at = time.perf_counter_ns()

    def clock_set(self, step: int) -> None:
        """Its clocks are the machine's."""

    def cut_stream(self) -> None:
        raise AssertionError("there is none")

    def wake(self) -> None:
        """The robot looks by itself."""

    def in_front(self, symbol: str, side: Side, price: int) -> int:
        return 0

    def turn(self, message: bytes) -> None:
        """What is measured."""
        self.take(message)
        self.robot.step()
        self.robots.look()

    def settle(self) -> None:
        """The venue took the order and ended it; the robot hears of it."""
        call, request = self.sent.pop(0)
        assert call.subject is not None and request.endswith(b"\r\n\r\n")
        now, name = time.time_ns(), call.subject.client_id
        answer, reports = self.ended(call, name, now)
        self.core.answered(call, answer, moment())
        order = self.manager.orders[name]
        self.core.reports(reports, moment())
        if order.is_open:
            raise SystemExit(f"still open: {order.state}")
        self.robot.step()
        self.robots.look()

    def ended(self, call: Call, name: str, now: int) -> tuple[Answer, Iterable[VenueReport]]:
        """Returns the answer to an order, and what says that it has ended."""
        row = {
            "orderId": 1,
            "symbol": RAW,
            "clientOrderId": name,
            "status": "EXPIRED",
            "price": "30000",
            "origQty": "0.010",
            "executedQty": "0",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "IOC",
            "positionSide": "BOTH",
            "reduceOnly": False,
            "updateTime": now // 1_000_000,
        }
        answer = self.protocol.answer(call, 200, {}, msgspec.json.encode(row), now)
        return answer, answer.reports

    def tick(self, number: int) -> bytes:
        return tick(number)

    def close(self) -> None:
        self.robot.close(keep=False)
        self.robots.close()
        self.core.money.close()
        self.writer.close()


class Compiled(Inside):
    """The same with a strategy that is machine code."""

    strategy = COMPILED


class AtPacifica(Inside):
    """The same without its signature."""

    kind, symbol, currency = "pacifica", "pacifica:BTC/USDC:USDC", "USDC"
    keys = (pacifica_pair(7, "main")[0], pacifica_pair(7, "agent")[1], "")

    def __init__(self, home: Path, *, crosses: bool = False) -> None:
        super().__init__(home, crosses=crosses)
        protocol: Any = self.protocol
        signature = protocol.signer.sign(b"%0200d" % 7)
        protocol.signer.sign = lambda message: signature

    def ended(self, call: Call, name: str, now: int) -> tuple[Answer, Iterable[VenueReport]]:
        answer = self.protocol.answer(call, 200, {}, b'{"success":true,"data":{"order_id":1}}', now)
        ms = now // 1_000_000
        row = {"i": 1, "I": uuid_of(name), "s": "BTC", "d": "bid", "p": "0", "ip": "30000", "lp": "0", "a": "0.01"}
        row |= {"f": "0", "oe": "expired", "os": "cancelled", "ot": "limit", "sp": None, "si": None, "r": False}
        message = {"channel": "account_order_updates", "data": [row | {"ct": ms, "ut": ms}]}
        return answer, self.protocol.reports_of(msgspec.json.encode(message))

    def tick(self, number: int) -> bytes:
        row = {"s": "BTC", "t": time.time_ns() // 1_000_000, "li": number, "i": number}
        row |= {"b": str(30_000 + number), "B": "1", "a": str(30_001 + number), "A": "1"}
        return msgspec.json.encode({"channel": "bbo", "data": row})


class AtHyperliquid(Inside):
    """The same without its signature, which begins with the hash of the action."""

    kind, symbol, currency = "hyperliquid", "hyperliquid:BTC/USDC:USDC", "USDC"

    def __init__(self, home: Path, *, crosses: bool = False) -> None:
        self.keys = (wallet_pair(7, "main")[0], wallet_pair(7, "agent")[1], "")
        super().__init__(home, crosses=crosses)
        protocol: Any = self.protocol
        signature = protocol.signer.sign({"type": "noop"}, 1, None)
        protocol.signer.sign = lambda action, nonce, expires: signature

    def ended(self, call: Call, name: str, now: int) -> tuple[Answer, Iterable[VenueReport]]:
        error = {"error": "Order could not immediately match against any resting orders. asset=0"}
        body = {"status": "ok", "response": {"type": "order", "data": {"statuses": [error]}}}
        answer = self.protocol.answer(call, 200, {}, msgspec.json.encode(body), now)
        return answer, answer.reports

    def tick(self, number: int) -> bytes:
        levels = [{"px": str(30_000 + number + side), "sz": "1.0", "n": 1} for side in (0, 1)]
        row = {"coin": "BTC", "time": time.time_ns() // 1_000_000, "bbo": levels}
        return msgspec.json.encode({"channel": "bbo", "data": row})


class AtBinanceSpot(Inside):
    kind, symbol = "binance-spot", "binance:BTC/USDT"

    def ended(self, call: Call, name: str, now: int) -> tuple[Answer, Iterable[VenueReport]]:
        ms = now // 1_000_000
        body = {"symbol": RAW, "orderId": 1, "clientOrderId": name, "transactTime": ms}
        answer = self.protocol.answer(call, 200, {}, msgspec.json.encode(body), now)
        event: dict[str, Any] = {"e": "executionReport", "s": RAW, "c": name, "C": "", "i": 1, "T": ms, "E": ms}
        event |= {"x": "EXPIRED", "X": "EXPIRED", "r": "NONE", "S": "BUY", "o": "LIMIT", "f": "IOC", "w": False}
        event |= {"p": "30000", "q": "0.01", "P": "0", "l": "0", "z": "0", "L": "0", "n": "0", "N": None, "t": -1}
        return answer, self.protocol.reports_of(
            msgspec.json.encode({"subscriptionId": 0, "event": event | {"m": False}})
        )

    def tick(self, number: int) -> bytes:
        prices = {"b": f"{30_000 + number}.00", "B": "1.00000", "a": f"{30_000 + number}.01", "A": "1.00000"}
        return msgspec.json.encode({"u": number, "s": RAW, **prices})


class AtBybit(Inside):
    kind, symbol = "bybit", "bybit:BTC/USDT:USDT"

    def ended(self, call: Call, name: str, now: int) -> tuple[Answer, Iterable[VenueReport]]:
        body = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "1-1", "orderLinkId": name}}
        answer = self.protocol.answer(call, 200, {}, msgspec.json.encode(body), now)
        ms = str(now // 1_000_000)
        row: dict[str, Any] = {
            "category": "linear",
            "symbol": RAW,
            "orderId": "1-1",
            "orderLinkId": name,
            "side": "Buy",
        }
        row |= {"orderType": "Limit", "orderStatus": "Cancelled", "rejectReason": "EC_NoImmediateQtyToFill"}
        row |= {"timeInForce": "IOC", "price": "30000", "qty": "0.010", "cumExecQty": "0", "triggerPrice": ""}
        row |= {"reduceOnly": False, "positionIdx": 0, "createdTime": ms, "updatedTime": ms, "triggerDirection": 0}
        return answer, self.protocol.reports_of(msgspec.json.encode({"topic": "order", "data": [row]}))

    def tick(self, number: int) -> bytes:
        sides = {"b": [[f"{30_000 + number}.0", "1"]], "a": [[f"{30_000 + number}.1", "1"]]}
        ms = time.time_ns() // 1_000_000
        data = {"s": RAW, **sides, "u": number, "seq": number}
        return msgspec.json.encode(
            {"topic": f"orderbook.1.{RAW}", "type": "snapshot", "ts": ms, "data": data, "cts": ms}
        )


class AtOkx(Inside):
    kind, symbol = "okx", "okx:BTC/USDT:USDT"
    keys = ("k" * 36, "s" * 32, "password")

    def ended(self, call: Call, name: str, now: int) -> tuple[Answer, Iterable[VenueReport]]:
        body = {"code": "0", "msg": "", "data": [{"ordId": "1", "clOrdId": name, "sCode": "0", "sMsg": ""}]}
        answer = self.protocol.answer(call, 200, {}, msgspec.json.encode(body), now)
        row = {"instId": "BTC-USDT-SWAP", "ordId": "1", "clOrdId": name, "px": "30000", "sz": "0.01", "ordType": "ioc"}
        row |= {"side": "buy", "posSide": "net", "accFillSz": "0", "fillSz": "0", "tradeId": "", "state": "canceled"}
        row |= {"cancelSource": "14", "reduceOnly": "false", "category": "normal", "uTime": str(now // 1_000_000)}
        return answer, self.protocol.reports_of(msgspec.json.encode({"arg": {"channel": "orders"}, "data": [row]}))

    def tick(self, number: int) -> bytes:
        row: dict[str, Any] = {
            "bids": [[f"{30_000 + number}.0", "1", "0", "1"]],
            "asks": [[f"{30_000 + number}.1", "1", "0", "1"]],
        }
        row |= {"ts": str(time.time_ns() // 1_000_000), "seqId": number}
        return msgspec.json.encode({"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}, "data": [row]})


VENUES: dict[str, type[Inside]] = {
    each.kind: each for each in (AtPacifica, AtHyperliquid, AtBinanceSpot, AtBybit, AtOkx)
}


def moment() -> Moment:
    now = time.time_ns()
    return Moment(now, time.monotonic_ns(), now)


def tick(number: int) -> bytes:
    bid = 300_000 + number
    return msgspec.json.encode(
        {
            "e": "bookTicker",
            "u": number,
            "s": RAW,
            "b": f"{bid / 10:.1f}",
            "B": "1.000",
            "a": f"{bid / 10 + 0.1:.1f}",
            "A": "1.000",
            "T": time.time_ns() // 1_000_000,
            "E": 1,
        }
    )


def floor(home: Path, count: int) -> list[int]:
    """ns of the parts alone: the message decoded, four frames appended and read, one signature."""

    class Ticker(msgspec.Struct):
        s: str
        b: str
        B: str
        a: str
        A: str
        T: int
        u: int

    decode = msgspec.json.Decoder(Ticker).decode
    writer = JournalWriter(home / "floor", durable=False)
    reader = JournalReader(home / "floor")
    kind, payload = type_id("timer"), bytes(80)
    query = b"x" * 200
    samples = []
    for number in range(count):
        message = tick(number)
        began = time.perf_counter_ns()
        decode(message)
        for _ in range(4):
            writer.append_raw(kind, payload, 0, 0, began)
            reader.next_raw()
        hmac.digest(b"s" * 64, query, hashlib.sha256)
        samples.append(time.perf_counter_ns() - began)
    reader.close()
    writer.close()
    return samples


async def measure(
    count: int, *, watch: cProfile.Profile | None = None, crosses: bool = False, at: type[Inside] = Inside
) -> tuple[list[int], list[int], list[int]]:
    """ns until the request is there, of the whole turn, of the floor. watch: profiles the turns, warm-up included."""
    with tempfile.TemporaryDirectory() as place:
        inside = at(Path(place), crosses=crosses)
        await inside.begin()
        inside.rest(RESTING)
        samples, turns = [], []
        for number in range(1, count + WARM):
            message = inside.tick(number)
            if watch is not None:
                watch.enable()
            began = time.perf_counter_ns()
            inside.turn(message)
            turns.append(time.perf_counter_ns() - began)
            samples.append(inside.at - began)
            if watch is not None:
                watch.disable()
            inside.settle()
        inside.close()
        return samples[WARM:], turns[WARM:], floor(Path(place), count + WARM)[WARM:]


def percent(samples: list[int], which: int) -> float:
    """us."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * which // 100)] / 1000


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ticks", type=int, default=3000)
    options.add_argument("--profile", action="store_true")
    options.add_argument("kinds", nargs="*", default=VENUES)
    inputs = options.parse_args()

    def play(**world: Any) -> tuple[list[int], list[int], list[int]]:
        watch = cProfile.Profile() if inputs.profile else None
        found = asyncio.run(measure(inputs.ticks, watch=watch, **world))
        if watch is not None:
            pstats.Stats(watch).sort_stats("tottime").print_stats(40)
        return found

    samples, turns, alone = play()
    crossing, _, _ = play(crosses=True)
    others = [(f"at {kind}, without a wallet's signature", play(at=VENUES[kind])[0]) for kind in inputs.kinds]
    print(json.dumps({"figures": [
        {"name": f"market bytes to {what}, without sockets, p{which}", "unit": "us",
         "better": "less", "value": percent(found, which),
         "reach": 12 if which == 50 and found is samples else None,
         "against": {"name": "decode, four frames, a signature", "value": percent(alone, which)}}
        for what, found in (("request bytes", samples), ("all that follows done", turns))
        for which in (50, 99)
    ] + [
        {"name": f"the same {what}, p{which}", "unit": "us", "better": "less", "value": percent(found, which),
         "against": {"name": "without", "value": percent(samples, which)}}
        for what, found in (("with cross_internally", crossing), *others)
        for which in (50, 99)
    ]}))  # fmt: skip


if __name__ == "__main__":
    main()
