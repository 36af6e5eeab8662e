"""When a strategy hears what: order, clock, kinds, symbols."""

from __future__ import annotations

import pytest

from onetape.engine.strategy import Strategy
from onetape.model.errors import StrategyError, UnknownSymbol
from worlds.tapes import BTC, ETH, MS, START, Market, at_ns, play, session_of


class Listener(Strategy):
    """Notes the name of each callback with the time it came at."""

    symbol: str = BTC

    def on_start(self):
        self.heard = []
        self.depth = 0
        self.subscribe(self.symbol, quotes=True, trades=True, book=True, bars=["1m", "2m"], mark=True)

    def hear(self, *words):
        assert self.depth == 0, "a callback inside a callback"
        self.depth += 1
        self.react(words)
        self.heard.append((self.now, *words))
        self.depth -= 1

    def react(self, words):
        pass

    def on_quote(self, quote):
        self.hear("quote", quote.bid)

    def on_trade(self, trade):
        self.hear("trade", trade.price)

    def on_book(self, book):
        self.hear("book", book.best_bid)

    def on_bar(self, bar):
        self.hear("bar", bar.period)

    def on_timer(self, name):
        self.hear("timer", name)

    def on_fill(self, fill):
        self.hear("fill", fill.qty)

    def on_order(self, order):
        self.hear("order", order.state)

    def on_position(self, position):
        self.hear("position", position.qty)

    def words(self):
        return [words for _, *words in self.heard]


class BuyOnce(Listener):
    qty: float = 1.0
    sent = False

    def react(self, words):
        if not self.sent:
            self.sent = True
            self.buy(self.symbol, self.qty)


def test_one_fill_calls_on_fill_then_on_order_then_on_position(tmp_path):
    tape = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.9, 100.1).done()
    robot = play(BuyOnce, tape).robot
    assert robot.words() == [
        ["quote", 99.9],
        ["order", "ACCEPTED"],
        ["fill", 1.0],
        ["order", "FILLED"],
        ["position", 1.0],
        ["quote", 99.9],
    ]


def test_the_position_is_already_that_after_the_fill_when_on_fill_comes(tmp_path):
    class Look(BuyOnce):
        def on_fill(self, fill):
            self.held = self.position(self.symbol).qty, fill.order.state, fill.order.remaining

    tape = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.9, 100.1).done()
    assert play(Look, tape).robot.held == (1.0, "FILLED", 0.0)


def test_callbacks_never_interrupt_each_other_when_orders_fill_at_once(tmp_path):
    class Greedy(Listener):
        def react(self, words):
            if words[0] in ("quote", "fill") and self.position(self.symbol).qty < 5:
                self.buy(self.symbol, 1)

    market = Market(tmp_path / "t")
    for second in range(10):
        market.quote(second, 99.9, 100.1)
    robot = play(Greedy, market.done()).robot
    assert robot.position(BTC).qty >= 5
    assert not play(Greedy, market.path).host.failures


def test_events_come_in_tape_order_and_the_clock_never_goes_back(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).trade(0, 100.1, 1)
    market.book(0.5, [(99.9, 1)], [(100.1, 2)]).quote(0.5, 99.8, 100.1).trade(0.7, 100.0, 1)
    robot = play(Listener, market.done()).robot
    assert robot.words() == [
        ["quote", 99.9],
        ["trade", 100.1],
        ["book", (99.9, 1.0)],
        ["quote", 99.8],
        ["trade", 100.0],
    ]
    times = [time for time, *_ in robot.heard]
    assert times == sorted(times)


def test_several_tapes_merge_by_time_and_ties_by_their_order(tmp_path):
    a = Market(tmp_path / "a").quote(0, 1, 2).quote(2, 3, 4).quote(4, 5, 6).done()
    b = Market(tmp_path / "b", ETH).quote(1, 11, 12).quote(2, 13, 14).quote(3, 15, 16).done()

    class Both(Listener):
        def on_start(self):
            super().on_start()
            self.subscribe(ETH, quotes=True)

    bids = [words[1] for words in play(Both, a, b).robot.words()]
    assert bids == [1.0, 11.0, 3.0, 13.0, 15.0, 5.0]
    assert [w[1] for w in play(Both, b, a).robot.words()] == [1.0, 11.0, 13.0, 3.0, 15.0, 5.0]


def test_one_symbol_over_two_tapes_is_one_market(tmp_path):
    a = Market(tmp_path / "a").quote(0, 99.9, 100.1).done()
    b = Market(tmp_path / "b").quote(60, 101.9, 102.1).quote(61, 101.9, 102.1).done()
    played = play(BuyOnce, a, b)
    assert list(played.host.instruments) == [BTC]
    assert played.robot.position(BTC).qty == 1.0


def test_what_was_not_subscribed_is_not_heard(tmp_path):
    class Trades(Listener):
        def on_start(self):
            self.heard, self.depth = [], 0
            self.subscribe(self.symbol, trades=True)

    tape = Market(tmp_path / "t").quote(0, 99.9, 100.1).trade(1, 100.1, 1).done()
    assert play(Trades, tape).robot.words() == [["trade", 100.1]]


def test_after_unsubscribe_orders_are_still_reported(tmp_path):
    class Quiet(Listener):
        def react(self, words):
            if words[0] == "quote":
                self.unsubscribe(self.symbol)
                self.buy(self.symbol, 1)

    market = Market(tmp_path / "t")
    for second in range(4):
        market.quote(second, 99.9, 100.1)
    kinds = [words[0] for words in play(Quiet, market.done()).robot.words()]
    assert kinds == ["quote", "order", "fill", "order", "position"]


def test_quote_is_none_before_the_first_and_own_after_it(tmp_path):
    class Ask(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True, trades=True)
            self.seen = [self.quote(BTC)]

        def on_trade(self, trade):
            self.seen.append(self.quote(BTC))

    market = Market(tmp_path / "t").trade(0, 100, 1).quote(1, 99.9, 100.1).trade(2, 100, 1)
    seen = play(Ask, market.quote(3, 1, 2).done()).robot.seen
    assert seen[:2] == [None, None]
    assert (seen[2].bid, seen[2].ask, seen[2].mid) == (99.9, 100.1, 100.0)


# --- symbols


def test_an_unknown_symbol_names_what_is_there(tmp_path):
    class Wrong(Strategy):
        def on_start(self):
            self.subscribe("kraken:BTC/USD", quotes=True)

    market = Market(tmp_path / "t")
    market.add(ETH)
    with pytest.raises(UnknownSymbol) as caught:
        play(Wrong, market.quote(0, 1, 2).done())
    assert "kraken:BTC/USD" in str(caught.value)
    assert BTC in str(caught.value) and ETH in str(caught.value)


def test_the_symbol_filter_hides_the_rest_and_fills_the_parameter(tmp_path):
    market = Market(tmp_path / "t")
    market.add(ETH)
    market.quote(0, 99.9, 100.1).quote(1, 49.9, 50.1, symbol=ETH).quote(2, 99.8, 100.1)
    played = play(Listener, market.done(), symbol=ETH)
    assert played.robot.symbol == ETH
    assert list(played.host.instruments) == [ETH]
    assert played.robot.words() == [["quote", 49.9]]
    assert played.loop.counters()["events"] == 1


def test_a_given_parameter_symbol_wins_over_the_filter(tmp_path):
    market = Market(tmp_path / "t")
    market.add(ETH)
    market.quote(0, 99.9, 100.1).quote(1, 49.9, 50.1, symbol=ETH)
    with pytest.raises(UnknownSymbol):
        play(Listener, market.done(), symbol=ETH, params={"symbol": BTC})


# --- bars


def minutes(path, count: int, every: float = 10) -> Market:
    market = Market(path)
    for step in range(int(count * 60 / every) + 1):
        market.trade(step * every, 100 + step % 7 / 10, 1)
    return market


def test_bars_of_one_moment_are_all_there_before_the_first_of_them_shorter_first(tmp_path):
    class Bars(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars=["5m", "1m"])
            self.seen = []

        def on_bar(self, bar):
            last = [self.bars(BTC, period, 1).ts_close[-1:].tolist() for period in ("1m", "5m")]
            self.seen.append((bar.period, (bar.ts_close - START) // (60 * 1000 * MS), last))

    seen = play(Bars, minutes(tmp_path / "t", 10).done()).robot.seen
    assert [(period, close) for period, close, _ in seen if close % 5 == 0] == [
        ("1m", 5),
        ("5m", 5),
        ("1m", 10),
        ("5m", 10),
    ]
    for _period, close, (short, long) in seen:
        assert short == [START + close * 60 * 10**9]
        if close % 5 == 0:
            assert long == short


def test_bars_of_several_instruments_close_together(tmp_path):
    class Both(Strategy):
        def on_start(self):
            self.seen = []
            for symbol in (BTC, ETH):
                self.subscribe(symbol, bars="1m")

        def on_bar(self, bar):
            self.seen.append([len(self.bars(symbol, "1m", 9).close) for symbol in (BTC, ETH)])

    market = Market(tmp_path / "t")
    market.add(ETH)
    for second in range(0, 130, 10):
        market.trade(second, 100, 1).trade(second, 50, 1, symbol=ETH)
    assert play(Both, market.done()).robot.seen == [[1, 1], [1, 1], [2, 2], [2, 2]]


def test_a_bar_is_shown_at_its_close_and_before_the_event_of_that_moment(tmp_path):
    class Bars(Listener):
        def on_start(self):
            super().on_start()
            self.unsubscribe(BTC)
            self.subscribe(BTC, trades=True, bars="1m")

    market = Market(tmp_path / "t").trade(59.9, 100, 1).trade(60, 101, 1).trade(75, 102, 1)
    robot = play(Bars, market.done()).robot
    assert robot.words() == [["trade", 100.0], ["bar", "1m"], ["trade", 101.0], ["trade", 102.0]]
    assert robot.heard[1][0] == at_ns(60)


def test_recorded_bars_of_one_moment_and_two_instruments_are_shown_together(tmp_path):
    class Bars(Strategy):
        def on_start(self):
            self.seen = []
            for symbol in (BTC, ETH):
                self.subscribe(symbol, bars="1m")

        def on_bar(self, bar):
            self.seen.append([len(self.bars(symbol, "1m", 9).close) for symbol in (BTC, ETH)])

    market = Market(tmp_path / "t")
    market.add(ETH)
    for minute in (1, 2):
        market.bar(minute * 60, "1m", (100, 101, 99, 100))
        market.bar(minute * 60, "1m", (50, 51, 49, 50), symbol=ETH)
    assert play(Bars, market.done()).robot.seen == [[1, 1], [1, 1], [2, 2], [2, 2]]


# --- timers


class Timers(Strategy):
    def on_start(self):
        self.fired = []
        self.subscribe(BTC, quotes=True)
        self.set_timer("five", every="5s")

    def on_timer(self, name):
        self.fired.append((name, (self.now - START) / 10**9))


def seconds(path, *times: float):
    market = Market(path)
    for time in times:
        market.quote(time, 99.9, 100.1)
    return market.done()


def test_timers_are_aligned_to_utc_and_do_not_drift(tmp_path):
    fired = play(Timers, seconds(tmp_path / "t", 3.3, 4.1, 16.7, 31)).robot.fired
    assert fired == [("five", float(at)) for at in (5, 10, 15, 20, 25, 30)]


def test_a_timer_at_a_moment_fires_once_and_one_of_the_past_at_once(tmp_path):
    class At(Timers):
        def on_start(self):
            super().on_start()
            self.cancel_timer("five")
            self.set_timer("late", at=at_ns(12.25))
            self.set_timer("past", at=at_ns(-10))

    fired = play(At, seconds(tmp_path / "t", 1, 20, 40)).robot.fired
    assert fired == [("past", 1.0), ("late", 12.25)]


def test_a_timer_set_in_a_callback_begins_with_the_next_multiple(tmp_path):
    class Later(Timers):
        def on_quote(self, quote):
            if self.now == at_ns(5):
                self.set_timer("two", every="2s")

    fired = play(Later, seconds(tmp_path / "t", 1, 5, 9)).robot.fired
    assert fired == [("five", 5.0), ("two", 6.0), ("two", 8.0)]


def test_a_timer_set_again_does_not_tick_twice_at_one_moment(tmp_path):
    class Repeats(Timers):
        def on_timer(self, name):
            super().on_timer(name)
            self.set_timer("five", every="5s")

    fired = play(Repeats, seconds(tmp_path / "t", 1, 31)).robot.fired
    assert [at for _, at in fired] == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]


def test_timers_need_exactly_one_of_every_and_at(tmp_path):
    class Wrong(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)

        def on_quote(self, quote):
            self.set_timer("x")

    played = play(Wrong, seconds(tmp_path / "t", 1, 2))
    assert "set_timer takes either" in str(played.host.failures[0])


# --- kept objects


def test_a_book_is_a_live_view_and_its_copy_stays(tmp_path):
    class Books(Strategy):
        def on_start(self):
            self.subscribe(BTC, book=True)
            self.live, self.copies = [], []

        def on_book(self, book):
            self.live.append(book)
            self.copies.append(book.copy())

    market = Market(tmp_path / "t").book(0, [(99.9, 1)], [(100.1, 2)])
    market.book(1, [(99.9, 0), (99.8, 3)], [], snapshot=False)
    robot = play(Books, market.done()).robot
    assert [book.best_bid for book in robot.live] == [(99.8, 3.0)] * 2
    assert [book.best_bid for book in robot.copies] == [(99.9, 1.0), (99.8, 3.0)]
    assert robot.copies[0].asks(5) == [(100.1, 2.0)]


# --- the clock of receipt


def test_a_venue_clock_that_runs_ahead_makes_no_latency_negative(tmp_path):
    """ts_event is kept as recorded; now, orders and fills go by the receipt clock."""
    market = Market(tmp_path / "t")
    for step in range(20):
        market.quote(step / 10, 99.9, 100.1, ts_event=at_ns(step / 10) + 1_200 * MS)

    class Ahead(Listener):
        def on_quote(self, quote):
            assert quote.ts_event > self.now == quote.ts_recv
            if not self.orders() and not self.position(BTC).qty:
                self.sent = self.now
                self.buy(self.symbol, 1)

        def on_fill(self, fill):
            self.took = self.now - self.sent, fill.ts_event - self.sent

    robot = play(Ahead, market.done(), latency=(0.01, 0.01)).robot
    assert robot.took == (20 * MS, 10 * MS)


def test_an_answer_is_seen_after_both_latencies_and_never_before(tmp_path):
    class Wait(Listener):
        def react(self, words):
            if words[0] == "quote" and not hasattr(self, "sent"):
                self.sent = self.now
                self.order = self.buy(self.symbol, 1)
            if words[0] == "quote" and self.now < self.sent + 20 * MS:
                assert self.order.state == "SUBMITTED"
                assert self.position(self.symbol).qty == 0

    market = Market(tmp_path / "t")
    for step in range(40):
        market.quote(step / 1000, 99.9, 100.1)
    played = play(Wait, market.done(), latency=(0.01, 0.01))
    assert not played.host.failures
    robot = played.robot
    fills = [time for time, kind, *_ in robot.heard if kind == "fill"]
    assert fills == [robot.sent + 20 * MS]


def test_an_empty_tape_is_refused_in_words(tmp_path):
    from onetape.model.errors import BadInput

    with pytest.raises(BadInput, match="no events"):
        session_of(Listener, Market(tmp_path / "t").done()).open()


@pytest.mark.parametrize(
    ("name", "nearest"), [("on_candle", "on_bar"), ("on_tick", "on_quote"), ("on_fills", "on_fill"), ("on_x", "on_")]
)
def test_a_method_that_looks_like_a_callback_and_is_none_is_named_at_the_start(name, nearest):
    with pytest.raises(StrategyError, match=f"Mine.{name} is no callback.*did you mean {nearest}") as caught:
        type("Mine", (Strategy,), {name: lambda self, event: None})
    assert "test_callbacks.py:" in caught.value.location


class Uncallable:
    async def on_bar(self, bar): ...

    async def on_quote(self, quote):
        yield quote

    def on_trade(self, trade):
        yield trade

    def on_timer(self): ...

    def on_start(self, begun): ...

    def on_fill(self, fill, *, order): ...


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("on_bar", "is async: nothing awaits it"),
        ("on_quote", "is async: nothing awaits it"),
        ("on_trade", "has a yield: nothing iterates over it"),
        ("on_timer", r"has the parameters \(self\) and is called with \(self, name\)"),
        ("on_start", r"has the parameters \(self, begun\) and is called with \(self\)"),
        ("on_fill", r"has the parameters \(self, fill, \*, order\) and is called with \(self, fill\)"),
    ],
)
def test_a_callback_that_could_not_work_is_refused_at_the_start(name, words):
    method = vars(Uncallable)[name]
    with pytest.raises(StrategyError, match=f"Mine.{name} {words}") as caught:
        type("Mine", (Strategy,), {name: method})
    assert caught.value.location == f"{__file__}:{method.__code__.co_firstlineno}"


def test_a_callback_may_have_more_parameters_where_they_have_defaults_or_are_any():
    class Mine(Strategy):
        def on_bar(self, bar, times=1, *, loud=False): ...

        def on_quote(self, *rest, **more): ...

    assert issubclass(Mine, Strategy)


def test_what_is_no_method_may_have_any_name():
    assert type("Mine", (Strategy,), {"on_weekends": True, "__annotations__": {"on_weekends": "bool"}}).on_weekends
