"""Venues with accounts of their own: what backs which order, what is lost, paid and heard where.
binance is linear BTC in USDT, kraken linear BTC in USD, spot is kraken's."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import pytest

from onetape import Strategy
from onetape.engine.latency import Latency, parse_latencies
from onetape.engine.plan import parse_fees
from onetape.engine.venue_options import VenueOptions, parse_borrow, parse_order_rates
from onetape.model.errors import OnetapeError, UnknownSymbol
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, Market, play, records, session_of
from worlds.two_venues import FLAT, KRAKEN, SPOT, TWO, said, two


class Buys(Strategy):
    """Buys once the market is there; says what became of it."""

    symbol: str = KRAKEN
    size: float = 1.0
    at: int = 2

    def on_start(self):
        for symbol in self._host.instruments:
            self.subscribe(symbol, quotes=True)
        self.heard = []
        self.n = 0

    def on_quote(self, q):
        if q.symbol == self.symbol:
            self.n += 1
            if self.n == self.at:
                order = self.buy(self.symbol, self.size)
                self.heard.append((order.state, order.code))

    def on_order(self, order):
        self.heard.append((order.state, order.code))


@pytest.mark.parametrize(
    ("symbol", "size", "outcome"),
    [
        (KRAKEN, 9.9, ("FILLED", 0)),
        (KRAKEN, 10.1, ("DENIED", 4201)),  # 1,010 USD, and kraken has 1,000: binance has 10,000
        (BTC, 10.1, ("FILLED", 0)),
        (BTC, 99.9, ("FILLED", 0)),
        (BTC, 100.1, ("DENIED", 4201)),
    ],
)
def test_money_at_one_venue_backs_nothing_at_another(tmp_path, symbol, size, outcome) -> None:
    tape = two(tmp_path / "t", FLAT).done()
    played = play(Buys, tape, accounts=TWO, params={"symbol": symbol, "size": size})
    assert played.robot.heard[-1] == outcome


@pytest.mark.parametrize(
    ("accounts", "outcome"), [(TWO, ("REJECTED", 4201)), (said(binance="10000 USDT", kraken="2000 USD"), ("FILLED", 0))]
)
def test_the_exchange_asks_its_own_account(tmp_path, accounts, outcome) -> None:
    """8 at 100 are 800 when the robot decides, and 1,200 when the order is there: too much for
    what kraken has, however much binance holds."""
    prices = [(0, 100, 100), (1, 100, 100), (2, 100, 150), (3, 100, 150)]
    tape = two(tmp_path / "t", prices).done()
    played = play(Buys, tape, accounts=accounts, params={"size": 8.0}, latency=(1.5, 0.0))
    assert (played.robot.heard[0], played.robot.heard[-1]) == (("SUBMITTED", 0), outcome)


def test_one_account_for_all_still_backs_both(tmp_path) -> None:
    """The market is the same, the currency, too: what is given as one sum serves every venue."""
    okx = "okx:BTC/USDT:USDT"
    tape = two(tmp_path / "t", FLAT, kraken=okx).done()
    order = {"params": {"symbol": okx, "size": 10.1}}
    shared = play(Buys, tape, cash={"USDT": Decimal(11_000)}, **order)
    assert shared.robot.heard[-1] == ("FILLED", 0)
    apart = {"binance": {"USDT": Decimal(10_000)}, "okx": {"USDT": Decimal(1_000)}}
    assert play(Buys, tape, accounts=apart, **order).robot.heard[-1] == ("DENIED", 4201)


def test_a_spot_sale_needs_the_coins_of_that_venue(tmp_path) -> None:
    binance = "binance:BTC/USD"

    class Sells(Buys):
        def on_quote(self, q):
            self.n += 1
            if self.n == 4:
                self.heard += [self.sell(s, 1).code for s in (SPOT, binance)]

    market = Market(tmp_path / "t", binance)
    market.add(SPOT)
    for at in range(9):
        for symbol in (binance, SPOT):
            market.quote(at, 99.9, 100, symbol=symbol)
    played = play(
        Sells, market.done(), accounts=said(kraken="0 USD 2 BTC", binance="500 USD 0.5 BTC"), params={"symbol": SPOT}
    )
    assert played.robot.heard[:2] == [0, 4201]
    assert played.host.balance("BTC", "kraken").total == 1.0
    assert played.host.balance("BTC", "binance").total == 0.5
    assert played.host.balance("BTC").total == 1.5
    # 99.9 came in; the coins that are left count at the last mid, half a unit included.
    assert played.equity == Decimal("99.9") + 500 + Decimal("1.5") * Decimal("99.95")


@pytest.mark.parametrize("margin", ["cross", "isolated"])
def test_a_liquidation_leaves_the_other_account_alone(tmp_path, margin) -> None:
    class Both(Buys):
        def on_quote(self, q):
            self.n += 1
            if self.n == 2:
                self.buy(BTC, 10)
                self.buy(KRAKEN, 10)
                self.rests = self.buy(BTC, 1, 50)
                self.buy(KRAKEN, 1, 50)

        def on_health(self, h):
            self.heard.append((h.kind, h.subject, h.state))

    # 10 at 100 on 900 at each; then kraken falls by more than that.
    prices = [(0, 100, 100), (1, 100, 100), (2, 100, 1), (3, 100, 1)]
    tape = two(tmp_path / "t", prices, maintenance_rate="0.01").done()
    cash = said(binance="900 USDT", kraken="900 USD")
    played = play(Both, tape, accounts=cash, margin=margin, leverage=10)
    assert ("liquidation", KRAKEN, "closed") in played.robot.heard
    assert not any(each[1] == BTC for each in played.robot.heard if each[0] == "liquidation")
    assert played.robot.position(BTC).qty == 10
    assert played.robot.rests.state == "ACCEPTED"  # binance canceled nothing
    assert played.robot.position(KRAKEN).qty == 0
    # Isolated: 100 was allotted at 100, and 5 at 50 on the way down.
    assert played.host.balance("USD", "kraken").total == {"cross": 0, "isolated": 795}[margin]
    assert played.host.balance("USDT", "binance").total == 900


def test_funding_is_paid_from_the_account_of_its_venue(tmp_path) -> None:
    class Both(Buys):
        def on_quote(self, q):
            self.n += 1
            if self.n == 2:
                self.buy(BTC, 10)
                self.sell(KRAKEN, 5)

    market = two(tmp_path / "t", FLAT[:3])
    market.funding(3, "0.001", 100)
    market.funding(3, "0.002", 100, symbol=KRAKEN)
    market.quote(4, 99.9, 100)
    played = play(Both, market.done(), accounts=TWO)
    # 10 * 100 * 0.1 % is paid at binance, 5 * 100 * 0.2 % is got at kraken.
    assert played.loop.funding_text(0) == "-1"
    assert played.loop.funding_text(1) == "1"
    assert played.host.balance("USDT", "binance").total == 9_999
    assert played.host.balance("USD", "kraken").total == 1_001


def test_interest_is_charged_to_the_account_that_owes(tmp_path) -> None:
    binance = "binance:BTC/USD"
    market = Market(tmp_path / "t", binance)
    market.add(SPOT)
    for at in (0, 1, 2, 3601, 3602):
        for symbol in (binance, SPOT):
            market.quote(at, 99.9, 100, symbol=symbol)
    options = {"venue": VenueOptions(borrow=parse_borrow("USD=0.01")), "leverage": 3}
    journal = tmp_path / "j"
    played = play(
        Buys,
        market.done(),
        accounts=said(binance="1000 USD", kraken="1000 USD"),
        params={"symbol": SPOT, "size": 20},
        journal=journal,
        **options,
    )
    assert played.host.balance("USD", "binance").total == 1_000
    assert played.host.balance("USD", "kraken").total == -1_010
    played.session.close()
    paid = [record.data for record in records(journal, "transfer")]
    assert [(each["account"], each["amount"]) for each in paid] == [("kraken", "-10")]


# --- what the robot and the report see ----------------------------------------------------------


class Asks(Buys):
    def on_quote(self, q):
        super().on_quote(q)
        if q.symbol == KRAKEN and self.n == 4:
            self.seen = [
                self.balance("USDT").total,
                self.balance("USDT", venue="binance").total,
                self.balance("USDT", venue="kraken").total,
                self.balance("USD", venue="kraken").available,
                self.balance("USD").available,
                self.balance("EUR", venue="kraken").total,
            ]
            self.worth = self.equity
            with pytest.raises(UnknownSymbol, match="no instrument of venue 'okx'"):
                self.balance("USD", venue="okx")


def test_balances_by_venue_and_in_all(tmp_path) -> None:
    tape = two(tmp_path / "t", FLAT).done()
    robot = play(Asks, tape, accounts=TWO, params={"size": 4.0}).robot
    # 4 at 100 are worth 99.95 each, the exact mid: 0.2 is lost.
    assert robot.seen == pytest.approx([10_000, 10_000, 0, 600.0, 600.0, 0])
    assert robot.worth == pytest.approx(10_999.8, abs=1e-6)  # a dollar counts as a dollar


def test_with_one_account_a_venue_s_balance_is_that_account(tmp_path) -> None:
    class Sees(Buys):
        def on_quote(self, q):
            self.seen = [self.balance("USDT", v).total for v in (None, "binance", "kraken")]

    tape = two(tmp_path / "t", FLAT).done()
    assert play(Sees, tape, cash={"USDT": Decimal(7)}).robot.seen == [7, 7, 7]


def test_balances_on_the_tape_name_their_account(tmp_path) -> None:
    tape = two(tmp_path / "t", FLAT).done()
    journal = tmp_path / "j"
    played = play(Buys, tape, accounts=TWO, params={"size": 4.0}, journal=journal, sample_every=5 * 10**9)
    played.session.close()
    found = defaultdict(list)
    for each in (record.data for record in records(journal, "balance")):
        found[each.get("account"), each.get("currency")].append(each["equity"])
    assert set(found) == {(None, None), ("binance", "USDT"), ("kraken", "USD")}
    assert len({len(rows) for rows in found.values()}) == 1
    assert found["binance", "USDT"][-1] == "10000"
    assert found["kraken", "USD"][-1] == "999.8"
    assert found[None, None][-1] == "10999.8"


def test_money_that_does_not_convert_is_not_counted(tmp_path) -> None:
    euro = "kraken:BTC/EUR:EUR"
    tape = two(tmp_path / "t", FLAT, kraken=euro).done()
    played = play(Buys, tape, accounts=said(binance="10000 USDT", kraken="500 EUR"), params={"symbol": euro})
    assert played.robot.heard[-1] == ("FILLED", 0)
    assert played.equity == 10_000


def test_a_dollar_token_that_the_data_prices_is_not_counted_twice(tmp_path) -> None:
    token = "kraken:USDT/USD"
    market = Market(tmp_path / "t")
    market.add(token, tick="0.0001")
    for at in range(5):
        market.quote(at, 99.9, 100)
        market.quote(at, 0.9979, 0.9981, symbol=token)
    played = play(
        Buys,
        market.done(),
        accounts=said(binance="1 USDT", kraken="100 USD 1000 USDT"),
        params={"symbol": BTC, "size": 0.001},
    )
    assert played.equity == pytest.approx(Decimal("1") + 100 + 998, abs=Decimal("0.001"))


@pytest.mark.parametrize("named", [False, True])
def test_one_venue_is_what_it_was(tmp_path, named) -> None:
    """Equal actions, equal states: the account's name changes nothing."""
    rng = random.Random(7)
    market = Market(tmp_path / "t")
    price = 100.0
    for at in range(400):
        price = max(50.0, round(price + rng.choice((-0.1, 0.0, 0.1)), 1))
        market.quote(at / 10, price - 0.1, price, 3, 3)
        if at % 50 == 49:
            market.funding(at / 10, "0.0001", price)
    tape = market.done()
    cash = {"USDT": Decimal(10_000)}
    money = {"accounts": {"binance": cash}} if named else {"cash": cash}
    options = {"latency": (0.05, 0.07), "fee": (Decimal("0.0002"), Decimal("0.0005"))}
    played = play(Random, tape, params={"rate": 0.3}, **options, **money)
    second = play(Random, tape, params={"rate": 0.3}, **options, cash=cash)
    assert played.loop.counters()["fills"] > 50
    assert played.action_hash == second.action_hash
    assert played.session.state_hash == second.session.state_hash
    assert played.equity == second.equity


def test_what_a_later_instrument_settles_in_is_counted_and_a_later_venue_has_nothing(tmp_path) -> None:
    """Coins sold for another dollar token at kraken stay part of the equity; okx, which nobody
    could give cash, takes no order."""
    late, stranger = "kraken:BTC/USDC", "okx:BTC/USDT:USDT"
    market = Market(tmp_path / "t", SPOT)
    market.quote(0, 99.9, 100)
    market.add(late)
    market.add(stranger)
    for at in range(1, 5):
        for symbol in (SPOT, late, stranger):
            market.quote(at, 99.9, 100, symbol=symbol)

    class Later(Buys):
        def on_quote(self, q):
            self.n += 1
            self.subscribe(late, quotes=True) if self.n == 4 else None
            if self.n == 5:
                self.heard = [self.sell(late, 1).code, self.buy(stranger, 1).code]

    journal = tmp_path / "j"
    played = play(Later, market.done(), accounts=said(kraken="10 USD 1 BTC"), journal=journal, params={"symbol": SPOT})
    assert played.robot.heard[:2] == [0, 4201]
    assert played.host.balance("USDC", "kraken").total == 99.9
    assert played.equity == Decimal("109.9")
    played.session.close()
    rows = [record.data for record in records(journal, "balance")]
    last = {(each["account"], each["currency"]): each["equity"] for each in rows if "account" in each}
    assert last["kraken", "USDC"] == "99.9"
    assert last["okx", "USDT"] == "0"


@pytest.mark.parametrize("apart", [False, True])
def test_coins_from_the_start_are_no_profit(tmp_path, apart) -> None:
    """1 BTC at 99.95, the first mid, then at 109.95: 10 are gained, not 109.95. The
    strategy's own equity has the coins from their first price on."""

    class Looks(Buys):
        def on_start(self):
            super().on_start()
            self.worth = [self.equity]

        def on_quote(self, q):
            self.worth.append(self.equity)

    market = Market(tmp_path / "t")
    market.add(SPOT)
    market.quote(0, 99.9, 100)
    for at, price in ((1, 100), (2, 110), (3, 110)):
        market.quote(at, price - 0.1, price, symbol=SPOT)
    cash = {"USD": Decimal(50), "BTC": Decimal(1)}
    money = {"accounts": {"kraken": cash, "binance": {"USDT": Decimal(7)}}} if apart else {"cash": cash}
    played = play(Looks, market.done(), params={"symbol": SPOT}, sample_every=10**9, **money)
    local = 57 if apart else 50
    assert played.robot.worth == pytest.approx([local, local, *(local + x for x in (99.95, 109.95, 109.95))])
    assert played.session.start_equity == local + Decimal("99.95")
    assert played.equity - played.session.start_equity == 10
    _, curve, *_ = played.loop.samples()
    assert curve[0] == pytest.approx(local + 99.95, abs=1e-12)
    assert played.loop.drawdown_text == "0"


def test_the_state_hash_covers_every_account(tmp_path) -> None:
    tape = two(tmp_path / "t", FLAT).done()
    texts = ("1000 USD", "1000 USD", "1000.000000000000000001 USD")
    hashes = [play(Buys, tape, accounts=said(binance="9 USDT", kraken=text)).session.state_hash for text in texts]
    assert hashes[0] == hashes[1] != hashes[2]


# --- options that name a venue ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            {"accounts": said(binance="1 USDT", okx="1 USDT", kraken="1 USD")},
            ["no instrument of venue 'okx'", "--cash", "binance, kraken"],
        ),
        ({"accounts": said(binance="1 USDT")}, ["no cash at kraken", "kraken=50000 USD", "kraken=0 USD"]),
        (
            {"accounts": said(binance="1 USDT", kraken="1 USDT")},
            ["cash in USDT at kraken", "settle in USD", "'kraken=1 USD'"],
        ),
        ({"accounts": said(binance="1 USDT", kraken="1 BTC")}, ["cash in BTC at kraken"]),
        ({"latencies": {"okx": Latency()}}, ["no instrument of venue 'okx'", "--latency"]),
        ({"fees": {"okx": (Decimal(0), Decimal(0))}}, ["no instrument of venue 'okx'", "--fee"]),
        ({"venue": VenueOptions(order_rates={"okx": (1, 1)})}, ["no instrument of venue 'okx'", "--order-rate"]),
        ({"fee_volumes": {"okx": Decimal(1)}}, ["no instrument of venue 'okx'", "--fee-volume"]),
    ],
)
def test_an_option_about_another_venue_is_refused(tmp_path, plan, words) -> None:
    tape = two(tmp_path / "t", FLAT).done()
    session = session_of(Buys, tape, **plan)
    with pytest.raises(OnetapeError) as caught:
        session.open()
    session.close()
    for each in words:
        assert each in str(caught.value)


def test_fee_tiers_count_each_venue_s_own_volume(tmp_path) -> None:
    tiers = [{"volume_min": 1000, "maker_fee": "0", "taker_fee": "0.0001"}]
    facts = {"taker_fee": "0.01", "maker_fee": "0.01", "fee_tiers": tiers}

    class Both(Buys):
        def on_quote(self, q):
            self.n += 1
            if self.n in (2, 20):
                self.buy(BTC, 1)
                self.buy(KRAKEN, 1)

        def on_fill(self, fill):
            self.heard.append((fill.symbol if hasattr(fill, "symbol") else fill.order.symbol, round(fill.fee, 6)))

        def on_order(self, order):
            pass

    tape = two(tmp_path / "t", FLAT, **facts).done()
    played = play(Both, tape, accounts=TWO, fee=None, fee_volume=Decimal(0), fee_volumes={"kraken": Decimal(1000)})
    # binance stays on its own fee: 100 was traded there; kraken begins in its first tier.
    assert played.robot.heard == [(BTC, 1.0), (KRAKEN, 0.01), (BTC, 1.0), (KRAKEN, 0.01)]


@pytest.mark.parametrize(
    ("volumes", "fees"),
    [
        ({"fee_volume": Decimal("1E+3")}, [1.0, 0.01]),
        ({"fee_volumes": {"kraken": Decimal("1E+3")}}, [1.0, 0.01]),
        ({"fee_volumes": {"binance": Decimal(1000)}}, [1.0, 1.0]),
    ],
)
def test_volume_before_the_run_counts_for_a_schedule_that_comes_in_it(tmp_path, volumes, fees) -> None:
    class Twice(Buys):
        def on_quote(self, q):
            self.n += 1
            if self.n in (2, 10):
                self.buy(KRAKEN, 1)

        def on_fill(self, fill):
            self.heard.append(round(fill.fee, 6))

        def on_order(self, order):
            pass

    market = two(tmp_path / "t", FLAT[:3], taker_fee="0.01", maker_fee="0.01")
    tiers = [{"volume_min": 1000, "maker_fee": "0", "taker_fee": "0.0001"}]
    market.version(3, KRAKEN, fee_tiers=tiers)
    for at in range(3, 9):
        market.quote(at, 99.9, 100, symbol=KRAKEN)
        market.quote(at, 99.9, 100)
    played = play(Twice, market.done(), accounts=TWO, fee=None, **volumes)
    assert played.robot.heard == fees


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("2/1h", {BTC: 2, KRAKEN: 2}),  # a bucket each, of the same size
        ("2/1h;kraken=4/1h", {BTC: 2, KRAKEN: 4}),
        ("kraken=1/1h", {BTC: 5, KRAKEN: 1}),
    ],
)
def test_each_venue_takes_so_many_orders(tmp_path, text, passed) -> None:
    class Sprays(Buys):
        def on_quote(self, q):
            self.n += 1
            if self.n == 2:
                for _ in range(5):
                    for symbol in (BTC, KRAKEN):
                        self.buy(symbol, 0.1)

        def on_order(self, order):
            self.heard.append((order.symbol, order.state, order.code))

    tape = two(tmp_path / "t", FLAT).done()
    rate, rates = parse_order_rates(text)
    played = play(Sprays, tape, accounts=TWO, venue=VenueOptions(order_rate=rate, order_rates=rates))
    for symbol, count in passed.items():
        filled = [each for each in played.robot.heard if each[:2] == (symbol, "FILLED")]
        refused = [each for each in played.robot.heard if each == (symbol, "REJECTED", 4403)]
        assert (len(filled), len(refused)) == (count, 5 - count)


def test_fees_of_a_venue(tmp_path) -> None:
    tape = two(tmp_path / "t", FLAT, taker_fee="0.001").done()
    fee, fees = parse_fees("kraken=0,0.002")
    assert fee is None
    for symbol, paid in ((BTC, "0.1"), (KRAKEN, "0.2")):
        played = play(Buys, tape, accounts=TWO, fee=fee, fees=fees, params={"symbol": symbol})
        index = list(played.host.instruments).index(symbol)
        assert played.loop.fees_text(index) == paid


# --- conservation -------------------------------------------------------------------------------


class Random(Strategy):
    """Orders of all kinds at random at every venue, too large ones among them."""

    rate: float = 0.2

    def on_start(self):
        self.symbols = list(self._host.instruments)
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)

    def on_quote(self, q):
        draw = self.random
        if draw.random() > self.rate:
            return
        symbol = draw.choice(self.symbols)
        quote = self.quote(symbol)
        if quote is None:
            return
        size = draw.choice((0.01, 0.5, 3, 20, 500))
        act = draw.choice((self.buy, self.sell))
        match draw.randrange(5):
            case 0:
                act(symbol, size)
            case 1:
                act(symbol, size, quote.mid + draw.choice((-1, -0.2, 0, 0.2, 1)))
            case 2:
                act(symbol, size, quote.mid, post_only=True)
            case 3:
                self.cancel_all(symbol)
            case 4:
                self.close(symbol)


@pytest.mark.parametrize("seed", range(8))
def test_each_account_has_what_its_own_fills_left(tmp_path, seed) -> None:
    """What an account is worth is its deposit, what its venue's fills paid and got, less their
    fees, plus its funding and insurance, to the last unit; nothing of the other is in it."""
    rng = random.Random(seed)
    market = Market(tmp_path / "t", maintenance_rate="0.02", liquidation_fee="0.001")
    symbols = [BTC, "binance:ETH/USDT:USDT", KRAKEN, SPOT]
    for symbol in symbols[1:]:
        market.add(symbol, maintenance_rate="0.02", liquidation_fee="0.001")
    prices = dict.fromkeys(symbols, 100.0)
    for at in range(2000):
        symbol = rng.choice(symbols)
        step = rng.choice((-30, 30)) if rng.random() < 0.004 else rng.choice((-0.3, 0, 0.3))
        prices[symbol] = max(20.0, round(prices[symbol] + step, 1))
        price = prices[symbol]
        market.quote(at / 10, price - 0.1, price + 0.1, 5, 5, symbol=symbol)
        if at % 97 == 0 and symbol is not SPOT:
            market.funding(at / 10, str(rng.choice(("0.001", "-0.002"))), price, symbol=symbol)
    journal = tmp_path / "j"
    deposits = {("binance", "USDT"): 10_000, ("kraken", "USD"): 4_000, ("kraken", "BTC"): 3}
    accounts = said(binance="10000 USDT", kraken="4000 USD 3 BTC")
    latencies = parse_latencies("kraken=300ms,500ms")[1] if seed % 2 else {}
    played = play(
        Random,
        market.done(),
        accounts=accounts,
        seed=seed,
        journal=journal,
        leverage=3,
        margin=("cross", "isolated")[seed // 2 % 2],
        latency=(0.1, 0.1),
        latencies=latencies,
        fee=(Decimal("-0.0001"), Decimal("0.0007")),
    )
    sim, host = played.loop, played.host
    counters = sim.counters()
    assert counters["fills"] > 50
    assert counters["denied"] + counters["rejected"] > 20
    worth = {money: Fraction(sim.equity_of_text(n)) for n, money in enumerate(host.money)}
    last = {s: Fraction(played.robot.position(s).qty).limit_denominator(1000) for s in symbols}
    paid = {s: Fraction(sim.funding_text(i)) + Fraction(sim.insurance_text(i)) for i, s in enumerate(symbols)}
    quotes = {s: played.robot.quote(s) for s in symbols}
    played.session.close()
    with JournalReader(journal) as reader:
        rows = reader.columns("fill")
    expected = {money: Fraction(deposits.get(money, 0)) for money in host.money}
    held = dict.fromkeys(symbols, Fraction(0))
    for stream, side, price, size, low, high in zip(
        *(rows[n].tolist() for n in ("stream", "side", "price", "size", "fee_low", "fee_high")), strict=True
    ):
        symbol = symbols[stream - 1]
        facts = host.instruments[symbol]
        qty = Fraction(size if side == 1 else -size, 10**facts.size_decimals)
        money = facts.venue, facts.settle
        expected[money] -= qty * Fraction(price, 10**facts.price_decimals)
        expected[money] -= Fraction(high * 2**64 + low % 2**64, 10**18)
        held[symbol] += qty
        if symbol == SPOT:
            expected["kraken", "BTC"] += qty
    for symbol in symbols:
        facts = host.instruments[symbol]
        units = (quotes[symbol].bid_int + quotes[symbol].ask_int) // 2
        mid = Fraction(units, 10**facts.price_decimals)
        assert held[symbol] == last[symbol]
        expected[facts.venue, facts.settle] += paid[symbol]
        if symbol == SPOT:
            expected["kraken", "USD"] += expected["kraken", "BTC"] * mid
        else:
            expected[facts.venue, facts.settle] += held[symbol] * mid
    wanted = {money: expected[money] for money in (("binance", "USDT"), ("kraken", "USD"))}
    assert {money: worth[money] for money in wanted} == wanted
    assert worth["kraken", "BTC"] == expected["kraken", "BTC"] >= 0
    assert Fraction(played.loop.equity_text) == sum(wanted.values())
