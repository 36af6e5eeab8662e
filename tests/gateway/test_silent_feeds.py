"""Feeds that are connected and tell nothing, over real sockets: what is noticed, what a robot may
still do, and how it ends. Pings are answered all the while."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from decimal import Decimal

import msgspec
import pytest

from exchange.venue_client import served
from long_form import long_form
from onetape.exchange.faults import parse_faults
from onetape.exchange.hands import trade_by_hand
from onetape.model.enums import RequestKind, Side
from onetape.model.errors import StaleData
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, booked, news_of

# Of its credits an address has few: it is asked, and silence is found, more slowly.
SLOW = ("pacifica", "hyperliquid")
KINDS = [*(kind for kind in TRADED if kind not in SLOW), *long_form(*SLOW)]
OTHER = {
    "binance-usdm": "binance:ETH/USDT:USDT",
    "kraken": "kraken:ETH/USD",
    "aster": "aster:ETH/USDT:USDT",
    "pacifica": "pacifica:ETH/USDC:USDC",
    "bitmex": "bitmex:BTC/EUR:BTC",
    "bybit": "bybit:ETH/USDT:USDT",
    "hyperliquid": "hyperliquid:ETH/USDC:USDC",
    "okx": "okx:ETH/USDT:USDT",
    "binance-spot": "binance:ETH/USDT",
}
QUOTES = {
    "binance-usdm": "bookTicker",
    "kraken": "ticker",
    "aster": "bookTicker",
    "pacifica": "bbo",
    "bitmex": "quote",
    "bybit": "orderbook",
    "hyperliquid": "bbo",
    "okx": "bbo-tbt",
    "binance-spot": "bookTicker",
}
LEARNED = 200  # messages of the market


class World:
    """An exchange that can be told to misbehave, a gateway and a robot."""

    def __init__(self, kind: str, home, dialect, port: int, **options) -> None:
        self.kind, self.home, self.dialect = kind, home, dialect
        self.account = dialect.exchange.accounts[0]
        self.symbol = TRADED[kind][0]
        self.gateway = GatewayProcess(kind, home, port, self.account, **options)
        self.gateway.start()
        self.robot = Robot(home / "robot", self.gateway, 1)

    def status(self) -> dict:
        return self.gateway.ask("status")

    def wait_for(self, what) -> None:
        wait_for(what)

    def learn(self) -> None:
        self.wait_for(lambda: self.status()["market"]["messages"] > LEARNED)

    def misbehave(self, toml: str) -> int:
        """Gives the time, ns."""
        self.dialect.add(parse_faults(f"[[fault]]\n{toml}"), self.dialect.exchange.now)
        return time.time_ns()

    def recover(self) -> None:
        self.dialect.clear(self.dialect.exchange.now)

    def stale(self) -> set[str]:
        return set(self.status()["market"]["stale_ms"])

    def health(self, *kinds: str) -> list[tuple[str, str, str | None, int]]:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            found = [(msgspec.msgpack.decode(f.payload), f.time) for f in reader.frames(("health",))]
        return [
            (each["subject"], each["state"], each.get("severity"), at) for each, at in found if each["kind"] in kinds
        ]

    def far(self) -> int:
        """A price at which nothing is filled."""
        return self.dialect.exchange.listings[0].bid * 97 // 100 // 1000 * 1000

    def denied(self, side: Side, price: int, **terms) -> int:
        """The code of an order that is denied, 0 for one that left."""
        order_id = self.robot.place(side, price, **terms)
        self.wait_for(lambda: news_of(self.home, order_id))
        word, code = news_of(self.home, order_id)[0]
        return code if word == "denied" else 0

    def working(self) -> int:
        """An order that the exchange has."""
        order_id = self.robot.place(Side.BUY, self.far())
        self.wait_for(lambda: "accepted" in [word for word, _ in news_of(self.home, order_id)])
        return order_id

    def cancels(self, order_id: int) -> None:
        self.robot.request(RequestKind.CANCEL, order_id, Side.BUY, self.far())
        self.wait_for(lambda: not self.account.open_orders)


@contextmanager
def world(kind: str, tmp_path, **options):
    with served(kind, limits=False, faults="# none yet") as (dialect, port):
        made = World(kind, tmp_path, dialect, port, **options)
        try:
            yield made
        finally:
            made.gateway.kill()
            made.robot.writer.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_market_that_tells_nothing_stops_new_risk_and_no_cancel(kind, tmp_path):
    with world(kind, tmp_path) as w:
        order_id = w.working()
        w.learn()
        began = w.misbehave('action = "gap"\nevent = "*"')
        w.wait_for(w.stale)
        assert w.denied(Side.BUY, w.far()) == StaleData.code
        w.cancels(order_id)
        states = [(s, sev) for s, state, sev, at in w.health("feed") if state == "stale" and at >= began]
        assert states == [(w.symbol, None)]
        ((_, state, severity, at),) = (each for each in w.health("market") if each[3] >= began)
        assert (state, severity) == (f"stale: {w.symbol}", "warning")
        print(f"{kind}: market silent after {(at - began) / SECOND:.2f} s")
        w.recover()
        w.wait_for(lambda: not w.stale())
        assert w.health("market")[-1][1:3] == ("live", None)
        assert w.denied(Side.BUY, w.far()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_one_symbol_that_is_frozen_is_one_and_the_other_trades(kind, tmp_path):
    symbols = [TRADED[kind][0], OTHER[kind]]
    with world(kind, tmp_path, symbols=symbols) as w:
        w.wait_for(lambda: w.status()["market"]["messages"] > 2 * LEARNED)
        frozen = next(i.raw_symbol for i in w.dialect.exchange.instruments if i.symbol == OTHER[kind])
        w.misbehave(f'action = "gap"\nevent = "{QUOTES[kind]}"\nsymbol = "{frozen}"')
        w.wait_for(lambda: w.stale() == {OTHER[kind]})
        assert w.denied(Side.BUY, w.far()) == 0
        w.recover()
        w.wait_for(lambda: not w.stale())


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_stream_that_tells_nothing_is_found_by_asking(kind, tmp_path):
    """Something is traded by hand at the venue, and its stream keeps it back."""
    with world(kind, tmp_path) as w:
        order_id = w.working()
        w.misbehave('action = "stale"\nside = "stream"')
        w.wait_for(lambda: w.dialect._stale)  # from here on
        began = time.time_ns()
        usual = w.dialect.exchange.instruments[0].size(w.robot.size)
        trade_by_hand(w.dialect.exchange, w.account, 0, usual, w.dialect.exchange.now)
        w.wait_for(lambda: w.status()["account_stream"]["stale"])
        assert w.denied(Side.BUY, w.far()) == StaleData.code
        held = w.account.qty(0) if kind == "binance-usdm" else w.robot.size
        w.wait_for(lambda: w.status()["positions"].get(f"{w.symbol} both") == held)
        w.cancels(order_id)
        found = [each for each in w.health("account stream") if each[3] >= began]
        assert [each[1:3] for each in found][:2] == [("stale", "warning"), ("lost", "warning")]
        print(f"{kind}: account silent after {(found[0][3] - began) / SECOND:.2f} s")
        w.recover()
        trade_by_hand(w.dialect.exchange, w.account, 0, usual, w.dialect.exchange.now)
        w.wait_for(lambda: not w.status()["account_stream"]["stale"])
        w.wait_for(lambda: w.status()["ready"])
        states = [state for _, state, *_ in w.health("account stream", "reconciled")]
        stale = states.index("stale")
        assert "0 differences" in states[stale : states.index("live", stale)]
        assert w.denied(Side.BUY, w.far()) == 0


def test_no_position_that_was_closed_stays_while_the_account_stream_is_frozen(tmp_path):
    """The ghost: the newest position closes first, so what is left is older than what stood; then the last one, and
    of nothing nothing is said."""
    symbols = [TRADED["binance-usdm"][0], OTHER["binance-usdm"]]
    with world("binance-usdm", tmp_path, symbols=symbols) as w:

        def trade(index: int, amount: str) -> None:
            trade_by_hand(w.dialect.exchange, w.account, index, Decimal(amount), w.dialect.exchange.now)

        def is_the_venue_s() -> bool:
            held = {f"{symbol} both": w.account.qty(n) for n, symbol in enumerate(symbols) if w.account.qty(n)}
            return {name: each for name, each in w.status()["positions"].items() if each} == held

        for index in (0, 1):
            trade(index, "0.01")
            w.wait_for(is_the_venue_s)
        assert w.account.qty(0) and w.account.qty(1)
        w.misbehave('action = "stale"\nside = "stream"')
        w.wait_for(lambda: w.dialect._stale)  # from here on
        for index in (1, 0):
            trade(index, "-0.01")
            assert not w.account.qty(index)
            w.wait_for(is_the_venue_s)
        w.recover()  # what it kept back is late, and brings nothing back
        trade(0, "0.01")
        w.wait_for(is_the_venue_s)


def test_a_listen_key_that_is_gone_in_silence_is_found_by_asking(tmp_path):
    with world("binance-usdm", tmp_path) as w:
        w.misbehave('action = "expire_listen_key"\nsilent = true')
        w.wait_for(lambda: not w.dialect.inner.streams.listen_keys)
        trade_by_hand(w.dialect.exchange, w.account, 0, Decimal("0.01"), w.dialect.exchange.now)
        w.wait_for(lambda: w.status()["positions"].get(f"{w.symbol} both") == w.account.qty(0))
        w.wait_for(lambda: w.status()["ready"])


@pytest.mark.parametrize("silent", ["false", "true"])
def test_a_subscription_that_the_venue_ends_is_made_anew(tmp_path, silent):
    """Where nobody says so, it is found by asking."""
    with world("binance-spot", tmp_path) as w:
        user = w.dialect.inner.user
        w.wait_for(lambda: [each for each in user.subscribers.values() if each.accounts])
        w.misbehave(f'action = "expire_listen_key"\nsilent = {silent}')
        trade_by_hand(w.dialect.exchange, w.account, 0, Decimal("0.01"), w.dialect.exchange.now)
        w.wait_for(lambda: [each for each in user.subscribers.values() if each.accounts])
        w.wait_for(lambda: w.status()["ready"])
        filled = w.account.trades[-1].fill.trade_id
        w.wait_for(lambda: booked(w.home)[filled])


def test_after_the_maintenance_of_a_venue_that_says_goodbye_all_continues(tmp_path):
    with world("binance-spot", tmp_path) as w:
        user = w.dialect.inner.user
        w.wait_for(lambda: [each for each in user.subscribers.values() if each.accounts])
        w.misbehave('action = "maintenance"\nlasting = "2s"')
        w.wait_for(lambda: not user.subscribers)
        w.wait_for(lambda: [each for each in user.subscribers.values() if each.accounts])
        w.wait_for(lambda: w.status()["ready"])
        trade_by_hand(w.dialect.exchange, w.account, 0, Decimal("0.01"), w.dialect.exchange.now)
        filled = w.account.trades[-1].fill.trade_id
        w.wait_for(lambda: booked(w.home)[filled])


def test_a_gateway_that_was_stopped_says_that_it_was_and_takes_no_feed_for_silent(tmp_path):
    with world("binance-usdm", tmp_path) as w:
        w.learn()
        began = time.time_ns()
        w.gateway.process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        w.gateway.process.send_signal(signal.SIGCONT)
        w.wait_for(lambda: w.status()["stalls"]["longest_ms"] >= 4000)
        stalls = w.health("stall")  # a busy machine brings some of its own
        _, state, severity, at = max(stalls, key=lambda each: float(each[1].split()[-2]))
        assert state.startswith("this process stood still for ") and severity == "warning"
        assert w.status()["stalls"]["count"] >= len(stalls)
        taken = w.status()["market"]["messages"]
        w.wait_for(lambda: w.status()["market"]["messages"] > taken)
        assert [each for each in w.health("market") if began <= each[3] < at + SECOND] == []


def test_orders_of_unknown_outcome_are_one_outage(tmp_path):
    """The venue carries them out and answers none of them."""
    with world("binance-usdm", tmp_path) as w:
        w.misbehave('action = "drop_answer"\npurpose = "place"')
        w.misbehave('action = "drop_request"\npurpose = "query"')
        w.misbehave('action = "gap"\nevent = "ORDER_TRADE_UPDATE"')
        ids = [w.robot.place(side, w.far()) for side in [Side.BUY]]
        w.wait_for(lambda: w.status()["unknown"] == 1)
        w.wait_for(lambda: w.health("unknown orders"))
        w.recover()
        w.wait_for(lambda: not w.status()["unknown"])
        w.wait_for(lambda: len(w.health("unknown orders")) == 2)
        words = [(state, severity) for _, state, severity, _ in w.health("unknown orders")]
        assert words == [("1 of unknown outcome, 1 now", "warning"), ("1 settled", None)]
        assert [severity for _, _, severity, _ in w.health("order")] == [None] * len(ids)
