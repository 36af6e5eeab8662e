"""What a venue does by the clock and by the count: hours, rates, delays, expiry, loans."""

from __future__ import annotations

import random
import tomllib
from decimal import Decimal
from fractions import Fraction as F
from typing import Any

import pytest
from exchange_world import BTC, ONE, USDT, Recorded, linear, spot

from onetape import _core
from onetape.engine.plan import to_toml
from onetape.engine.venue_options import Closed, VenueOptions, parse_borrow, parse_closed, parse_delay, parse_order_rate
from onetape.model.errors import BadConfig
from onetape.model.user_rules import NEVER_CALLED, Adl, LoanLevels

HOUR = 3600 * 10**9


def ruled(spec: Any = None, *, cash: int = 10**9, options: dict[str, Any] | None = None, **rules: Any) -> Recorded:
    world = Recorded(spec, cash=cash, **(options or {}))
    world.core.set_rules(_core.VenueRules(**rules))
    world.core.begin(0)
    return world


def test_closed_hours_refuse_everything_and_keep_what_rests() -> None:
    ruled(closed=[(100, 200, 0, False)]).run("""
        quote 100 101 50 50
        buy#1 limit 99 x5                    -> accepted
        clock 100
        buy#2 limit 98 x1                    -> rejected 4402
        cancel#1                             -> cancel_rejected 4402
        amend#1 price=98                     -> update_rejected 4402
        quote 98 99 50 50                    ->                   // would have filled it
        clock 200
        quote 98 99 50 50                    -> #1 fill 5@99 maker
        buy#3 limit 97 x1                    -> accepted
    """)


def test_closed_hours_may_cancel_what_rests() -> None:
    ruled(closed=[(100, 200, 0, True)]).run("""
        quote 100 101 50 50
        buy#1 limit 99 x5                    -> accepted
        sell#2 limit 105 x5                  -> accepted
        sell#3 market x5 stop=90             -> accepted
        clock 100          -> #1 canceled 4402, #2 canceled 4402, #3 canceled 4402
        buy#4 limit 99 x5                    -> rejected 4402
        clock 200                            ->
        buy#5 limit 99 x5                    -> accepted
    """)


def test_nobody_is_liquidated_while_it_is_closed() -> None:
    world = ruled(linear(maintenance_rate=5 * 10**9), cash=100, closed=[(100, 200, 0, False)], options={"leverage": 10})
    world.run("""
        mark 100
        quote 100 100 50 50
        buy#1 market x10                     -> accepted, fill 10@100 taker
        clock 100
        mark 85                              ->
        clock 200                            ->
        mark 85                              -> #V1 fill 10@85 taker, insurance 50
    """)


def test_a_span_of_another_venue_does_not_close_this_one() -> None:
    world = ruled(closed=[(100, 200, 7, False)])
    world.core.set_terms(0, _core.InstrumentTerms(venue=3))
    world.run("""
        quote 100 101 50 50
        clock 100
        buy#1 limit 99 x5                    -> accepted
    """)


def test_orders_beyond_the_rate_are_refused_until_tokens_come_back() -> None:
    """2 in 10 ns: full at the start; one more every 5 ns."""
    ruled(order_limit=2, order_window=10).run("""
        quote 100 101 50 50
        at 10 buy#1 limit 99 x1              -> accepted
        at 10 buy#2 limit 98 x1              -> accepted
        at 10 buy#3 limit 97 x1              -> rejected 4403
        at 14 buy#4 limit 97 x1              -> rejected 4403
        at 14 cancel#2                       -> canceled          // not counted
        at 15 amend#1 price=98               -> updated           // counted
        at 15 buy#5 limit 97 x1              -> rejected 4403
        at 100 buy#6 limit 97 x1             -> accepted
        at 100 buy#7 limit 97 x1             -> accepted
        at 100 buy#8 limit 97 x1             -> rejected 4403     // two at most
    """)


@pytest.mark.parametrize("seed", range(20))
def test_the_bucket_is_an_exact_one(seed: int) -> None:
    r = random.Random(f"bucket {seed}")
    limit, window = r.randint(1, 50), r.randint(1, 10**10)
    world = ruled(order_limit=limit, order_window=window)
    world.step("quote 100 101 50 50")
    level, last, now = F(limit), None, 1
    for number in range(1, 300):
        token = window // limit
        now += r.choice([0, 0, 0, 1, token, token + 1, r.randint(0, 2 * token)])
        last = now if last is None else last
        level = min(F(limit), level + F((now - last) * limit, window))
        last = now
        order = {"order_id": number, "side": "buy", "type": "limit", "price": 50, "size": 1}
        [news] = world.core.request(now, 0, **order)
        assert (news["code"] == 4403) == (level < 1)
        level -= 1 if level >= 1 else 0
    assert world.core.counters()["rate_limited"] > 0


def test_a_trigger_needs_its_delay() -> None:
    world = ruled(trigger_delay=50)
    world.run("""
        quote 100 101 50 50
        at 10 sell#1 market x5 stop=95       -> accepted
        at 20 trade 95 x1                    -> #1 triggered
        at 30 quote 90 91 50 50              ->
        clock 69                             ->
        clock 70                             -> #1 fill 5@90 taker
    """)
    assert world.core.next_event > 10**18


def test_what_is_canceled_within_the_delay_stays_away() -> None:
    ruled(trigger_delay=50).run("""
        quote 100 101 50 50
        at 10 sell#1 market x5 stop=95       -> accepted
        at 20 trade 95 x1                    -> #1 triggered
        at 30 cancel#1                       -> canceled
        at 31 buy#2 limit 90 x1              -> accepted          // takes the same slot
        clock 70                             ->
    """)


def test_a_delayed_reduce_only_order_is_asked_when_it_goes_live() -> None:
    ruled(trigger_delay=50).run("""
        quote 100 101 50 50
        at 5 buy#1 market x5                 -> accepted, fill 5@101 taker
        at 10 sell#2 market x5 reduce stop=95 -> accepted
        at 20 trade 95 x1                    -> #2 triggered
        at 30 sell#3 market x5               -> accepted, fill 5@100 taker
        clock 70                             -> #2 canceled 4106
    """)


def test_a_contract_settles_when_it_expires() -> None:
    world = ruled(linear(taker_fee=10**9), cash=1000, options={"leverage": 10})
    world.core.set_terms(0, _core.InstrumentTerms(expiry=100))
    world.run("""
        mark 100
        quote 100 100 50 50
        buy#1 market x10                     -> accepted, fill 10@100 taker
        buy#2 limit 90 x1                    -> accepted
        mark 104
        clock 99                             ->
        clock 100                            -> #2 canceled 4407, #V1 fill 10@104 taker
        at 101 buy#3 market x1               -> rejected 4407
        at 102 mark 50                       ->
    """)
    account = world.core.account
    # 1,000 + 10 * 4, less 0.1 % of the 1,000 that was bought: settling costs nothing.
    assert account.balance(USDT) == 1039 * ONE
    assert account.liquidation_fees(0) == 0
    assert world.core.counters()["settlements"] == 1


def test_both_sides_of_a_hedge_settle_and_an_inverse_in_coin() -> None:
    spec = _core.InstrumentSpec(kind="inverse", price_decimals=0, size_decimals=0, multiplier=100)
    world = ruled(spec, cash=10, options={"hedge": True, "leverage": 10})
    world.core.set_terms(0, _core.InstrumentTerms(expiry=100))
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x20 long                -> accepted, fill 20@100 taker
        sell#2 market x10 short              -> accepted, fill 10@100 taker
        mark 125
        clock 100                            -> #V1 fill 20@125 taker, #V2 fill 10@125 taker
    """)
    # 20 * 100 * (1/100 - 1/125) = 4; the short loses 2.
    assert world.core.account.balance(USDT) == 12 * ONE


def test_a_new_tick_lets_what_rests_rest() -> None:
    """Working orders stay at their old price, fill there and can be canceled; what is new or
    amended keeps the new tick; a trigger off it still fires."""
    world = Recorded()
    world.run("""
        quote 100 101 50 50
        buy#1 limit 97 x5                    -> accepted
        buy#2 limit 96 x5                    -> accepted
        sell#3 market x1 stop=98             -> accepted
    """)
    world.core.add_instrument(0, linear(tick=5, lot=2), USDT, BTC)
    world.run("""
        buy#4 limit 96 x2                    -> rejected 4101
        buy#5 limit 95 x3                    -> rejected 4101     // the lot
        amend#2 price=94                     -> update_rejected 4101
        cancel#2                             -> canceled
        trade 98 x1 sell                     -> #3 triggered, #3 fill 1@100 taker
        quote 96 97 50 50                    -> #1 fill 5@97 maker
        buy#6 limit 90 x2                    -> accepted
    """)


def test_new_fees_count_from_the_next_fill_and_leave_nothing_reserved() -> None:
    world = Recorded(linear(taker_fee=10**9), cash=1000, leverage=10)
    world.run("""
        quote 100 100 50 50
        buy#1 limit 90 x20                   -> accepted
    """)
    world.core.add_instrument(0, linear(taker_fee=7 * 10**9), USDT, BTC)
    world.run("""
        buy#2 market x1                      -> accepted, fill 1@100 taker
        cancel#1                             -> canceled
        sell#3 market x1                     -> accepted, fill 1@100 taker
    """)
    account = world.core.account
    assert account.balance(USDT) == 1000 * ONE - 2 * 7 * ONE // 10
    assert account.available(USDT) == account.balance(USDT)


# --- loans ---


def loans(cash: int, leverage: int, holdings: int = 0, **rates: int) -> Recorded:
    numbers = {"USDT": USDT, "BTC": BTC}
    world = Recorded(spot(), cash=cash, holdings=holdings, leverage=leverage)
    world.core.set_rules(_core.VenueRules(borrow=[(numbers[c], r) for c, r in rates.items()]))
    world.core.begin(0)
    return world


def test_spot_on_margin_is_bound_by_what_the_account_owns() -> None:
    """1,000 owned at 3x carries 3,000 of coins, not 3,100; and a short of as much."""
    world = loans(1000, 3, USDT=10**7, BTC=10**7)
    world.run("""
        quote 100 100 500 500
        buy#1 limit 100 x31                  -> rejected 4201
        buy#2 limit 100 x30                  -> accepted, fill 30@100 taker
        buy#3 limit 100 x1                   -> rejected 4201
        sell#4 limit 100 x60                 -> accepted, fill 60@100 taker    // to short 30
        sell#5 limit 100 x1                  -> rejected 4201
    """)
    assert world.core.account.balance(BTC) == -30 * ONE
    assert world.core.account.equity(USDT) == 1000 * ONE
    only_money = loans(1000, 3, USDT=10**7)
    only_money.run("""
        quote 100 100 500 500
        sell#1 limit 100 x1                  -> rejected 4201     // no coins are lent
        buy#2 limit 100 x20                  -> accepted, fill 20@100 taker
    """)
    unlevered = loans(1000, 1, USDT=10**7, BTC=10**7)
    unlevered.run("""
        quote 100 100 500 500
        buy#1 limit 100 x11                  -> rejected 4201
        sell#2 limit 100 x10                 -> accepted, fill 10@100 taker    // a short of 1x
        sell#3 limit 100 x1                  -> rejected 4201
    """)


def test_interest_is_taken_each_full_hour_on_what_is_owed() -> None:
    world = loans(1000, 3, USDT=10**7, BTC=2 * 10**7)  # 0.001 % and 0.002 % an hour
    world.step("quote 100 100 500 500")
    world.step("buy#1 limit 100 x30")  # owes 2,000
    assert world.core.next_event == HOUR
    assert world.step(f"clock {HOUR - 1}") == ""
    assert world.step(f"clock {HOUR}") == "interest -0.02"
    assert world.core.account.balance(USDT) == -2000 * ONE - 2 * ONE // 100
    # The next hour's on the interest, too.
    owed = F(200002, 100) * F(1, 10**5)
    world.step(f"clock {2 * HOUR}")
    assert -world.core.account.interest(USDT) == round((F(2, 100) + owed) * ONE)
    world.step("sell#2 limit 100 x59")
    assert world.core.account.balance(BTC) == -29 * ONE
    events = world.core.run_events(3 * HOUR)
    assert [(e["currency"], e["amount"]) for e in events] == [(BTC, -29 * ONE * 2 // 10**5)]


@pytest.mark.parametrize("seed", range(10))
def test_random_loans_add_up(seed: int) -> None:
    """Balances are deposits, trades, fees and interest, to the last unit."""
    r = random.Random(f"loans {seed}")
    spec = spot(taker_fee=10**9, maker_fee=-(10**8))
    world = Recorded(spec, cash=5000, holdings=20, leverage=r.randint(1, 5))
    rates = {USDT: r.randint(0, 10**8), BTC: r.randint(0, 10**8)}
    world.core.set_rules(_core.VenueRules(borrow=list(rates.items())))
    world.core.begin(0)
    books = {USDT: 5000 * ONE, BTC: 20 * ONE}
    interest = {USDT: 0, BTC: 0}
    price, fills = 100, 0
    for number in range(1, 400):
        for currency in books:  # slow: on what is owed now, rounded half to even
            if books[currency] < 0:
                charge = round(F(books[currency] * rates[currency], 10**12))
                books[currency] += charge
                interest[currency] += charge
        world.core.run_events(number * HOUR)
        price = max(50, price + r.randint(-3, 3))
        now = number * HOUR + 1
        events = world.core.quote(now, price, price + 1, 30, 30)
        events += world.core.request(
            now,
            0,
            order_id=number,
            side=r.choice(["buy", "sell"]),
            type="limit",
            price=price + r.randint(-2, 3),
            size=r.randint(1, 60),
        )
        for event in events:
            if event["event"] == "fill":
                fills += 1
                sign = 1 if event["side"] == "buy" else -1
                books[BTC] += sign * event["size"] * ONE
                books[USDT] -= sign * event["size"] * event["price"] * ONE + event["fee"]
        account = world.core.account
        assert (account.balance(USDT), account.balance(BTC)) == (books[USDT], books[BTC])
        assert account.interest(USDT) == interest[USDT]
        assert account.interest(BTC) == interest[BTC]
    assert fills > 20


# --- options ---


def test_options_are_kept_in_a_table_and_read_back() -> None:
    options = VenueOptions(
        order_rate=parse_order_rate("300/10s"),
        trigger_delay=parse_delay("2ms"),
        closed=[
            parse_closed("binance@2024-08-08T02:00:00Z..2024-08-08T03:00:00Z,cancel"),
            parse_closed("2024-08-09T02:00:00Z..2024-08-09T03:00:00Z"),
        ],
        borrow=parse_borrow("USDT=0.00001, btc=0.000002"),
        loans=LoanLevels(Decimal("1.3"), Decimal("1.1"), Decimal("0.02")),
        adl=[
            Adl("binance:BTC/USDT:USDT", 10**18, is_long=True),
            Adl("a:B", 2 * 10**18, is_long=False, price=Decimal("49000.5"), share=Decimal("0.25")),
        ],
    )
    assert options.order_rate == (300, 10 * 10**9)
    assert options.closed[0].venue == "binance"
    assert options.closed[0].cancels
    assert options.closed[1] == Closed(options.closed[1].start, options.closed[1].end)
    assert options.borrow == {"USDT": Decimal("0.00001"), "BTC": Decimal("0.000002")}
    kept = tomllib.loads(to_toml({"venue": options.as_table()}))["venue"]
    assert VenueOptions.from_table(kept) == options
    assert VenueOptions.from_table({}) == VenueOptions()
    # A run from before loans were called in is replayed as it was.
    assert VenueOptions.from_table({"borrow": ["USDT=0.1"]}).loans == NEVER_CALLED


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_order_rate, text) for text in ("300", "0/10s", "-1/10s", "3/0s", "x/1s", "1/2d", "9" * 20 + "/1s")]
    + [(parse_delay, text) for text in ("-1ms", "2d", "fast")]
    + [
        (parse_closed, text)
        for text in (
            "2024-08-08",
            "2024-08-08..2024-08-07",
            "@2024-08-08..2024-08-09",
            "2024-08-08..2024-08-09,keep",
            "2024-08-08..",
        )
    ]
    + [(parse_borrow, text) for text in ("USDT", "USDT=x", "USDT=-1", "USDT=nan", "USDT=1", "A=0.1,a=0.2", "=0.1")],
)
def test_bad_options_say_what_to_write(parse: Any, text: str) -> None:
    with pytest.raises(BadConfig, match="--"):
        parse(text)


def test_a_delayed_order_that_ends_a_position_takes_its_reduce_only_orders_along() -> None:
    ruled(trigger_delay=10).run("""
        quote 100 101 50 50
        buy#1 market x5                      -> accepted, fill 5@101 taker
        sell#2 limit 120 x5 reduce           -> accepted
        sell#3 market x5 stop=90             -> accepted
        at 20 quote 89 90 50 50              -> triggered
        clock 30                             -> #3 fill 5@89 taker, #2 canceled 4106
    """)


def test_an_amendment_within_the_delay_is_asked_nothing_of_the_market() -> None:
    """As one of an untriggered order: what speaks against it is asked when it goes live."""
    world = ruled(cash=100, options={"leverage": 1}, trigger_delay=10)
    world.run("""
        quote 100 101 50 50
        buy#1 limit 105 x1 stop=103          -> accepted
        at 20 quote 103 104 50 50            -> triggered
        amend#1 size=9                       -> updated            // 945 of 100
    """)
    assert world.core.account.available(USDT) == 100 * ONE
    assert world.step("clock 30") == "#1 canceled 4201"


def test_an_order_is_triggered_once_also_when_bars_come_within_the_delay() -> None:
    ruled(trigger_delay=100).run("""
        mark 100
        buy#1 market x5 stop=103/mark        -> accepted
        at 10 mark 104                       -> triggered
        bar 40-60 104 105 103 104 1000       ->
        clock 110                            ->
        bar 140-160 106 107 105 106 1000     -> fill 5@106 taker
    """)
