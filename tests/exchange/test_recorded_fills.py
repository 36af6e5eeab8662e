"""The fill rules of docs/concepts/fills.md, one table a rule."""

from __future__ import annotations

import pytest
from exchange_world import ONE, USDT, Recorded, spot

TABLES = {
    "taker takes the touch, the rest one tick worse": """
        quote 100 101 5 8
        buy#1 market x10              -> accepted, fill 8@101 taker, fill 2@102 taker
        sell#2 market x6              -> accepted, fill 5@100 taker, fill 1@99 taker
    """,
    "what we took is gone until the market moves": """
        quote 100 101 5 8
        buy#1 market x8               -> accepted, fill 8@101 taker
        buy#2 market x3               -> accepted, fill 3@102 taker
        quote 100 101 5 8
        buy#3 market x3               -> accepted, fill 3@101 taker
    """,
    "a limit order takes up to its price and rests": """
        quote 100 101 5 8
        buy#1 limit 101 x10           -> accepted, fill 8@101 taker
        trade 100 x5 sell             -> fill 2@101 maker
    """,
    "a quote without sizes does not cap": """
        quote 100 101
        buy#1 market x1000            -> accepted, fill 1000@101 taker
    """,
    "IOC and FOK leave nothing behind": """
        quote 100 101 5 8
        buy#1 limit 101 x10 IOC       -> accepted, fill 8@101 taker, canceled
        buy#2 limit 101 x1 IOC        -> accepted, canceled
        quote 100 101 5 8
        buy#3 limit 101 x9 FOK        -> accepted, canceled
        buy#4 limit 101 x8 FOK        -> accepted, fill 8@101 taker
        buy#5 limit 99 x8 IOC         -> accepted, canceled
    """,
    "levels of the book as displayed, no further": """
        book 100:5 99:7 | 101:3 102:4
        buy#1 market x10              -> accepted, fill 3@101 taker, fill 4@102 taker, canceled 1005
        buy#2 limit 102 x1            -> accepted         // all of it is taken already
        change | 101:2                -> #2 fill 1@102 maker
        sell#3 limit 99 x20 IOC       -> accepted, fill 5@100 taker, fill 7@99 taker, canceled
    """,
    "a book level taken from is smaller until the next event": """
        book 100:5 99:7 | 101:3 102:4
        buy#1 limit 101 x2            -> accepted, fill 2@101 taker
        buy#2 limit 102 x3            -> accepted, fill 1@101 taker, fill 2@102 taker
        change | 101:3
        buy#3 limit 102 x3            -> accepted, fill 3@101 taker
    """,
    "a resting order waits behind what is displayed": """
        quote 100 101 5 8
        buy#1 limit 100 x3            -> accepted
        trade 100 x4 sell
        trade 100 x2 sell             -> fill 1@100 maker
        trade 100 x1 buy                                 // a buyer at our price hits nobody's bid
        trade 100 x9 sell             -> fill 2@100 maker
    """,
    "only trades and the display advance the queue": """
        quote 100 101 50 8
        buy#1 limit 100 x3            -> accepted
        quote 100 101 2 8                                // cancels ahead of us: 2 are left
        trade 100 x3 sell             -> fill 1@100 maker
        quote 100 101 90 8                               // what joins stands behind us
        trade 100 x2 sell             -> fill 2@100 maker
    """,
    "an order that improves the touch is first": """
        quote 100 103 50 8
        buy#1 limit 101 x3            -> accepted
        trade 101 x2 sell             -> fill 2@101 maker
    """,
    "an order deeper than the display waits for its level": """
        quote 100 101 5 8
        buy#1 limit 99 x3             -> accepted
        trade 99 x50 sell                                // we do not know what stood there
        quote 99 101 20 8
        trade 99 x19 sell
        trade 99 x2 sell              -> fill 1@99 maker
    """,
    "in a book the display reaches deeper": """
        book 100:5 99:7 98:1 | 101:3
        buy#1 limit 99 x3             -> accepted
        buy#2 limit 97 x3             -> accepted        // below all that is shown
        trade 99 x8 sell              -> #1 fill 1@99 maker
        trade 97 x99 sell             -> #1 fill 2@99 maker
        book 97:4 | 101:3
        trade 97 x5 sell              -> #2 fill 1@97 maker
    """,
    "a trade through fills at our own price": """
        quote 100 103 50 8
        buy#1 limit 102 x3            -> accepted
        trade 101 x2 buy              -> fill 2@102 maker
    """,
    "the opposite touch fills at our own price": """
        quote 100 103 50 8
        buy#1 limit 102 x9            -> accepted
        quote 100 101 50 4            -> fill 4@102 maker
        quote 100 102 50 4            -> fill 4@102 maker
        quote 100 103 50 4
    """,
    "one print is shared in order of priority": """
        quote 100 103 0 8
        buy#1 limit 101 x3            -> accepted
        buy#2 limit 102 x3            -> accepted
        trade 101 x5 sell             -> #2 fill 3@102 maker, #1 fill 2@101 maker
    """,
    "own orders at one price queue behind each other": """
        quote 100 103 4 8
        buy#1 limit 100 x3            -> accepted
        buy#2 limit 100 x3            -> accepted
        trade 100 x6 sell             -> #1 fill 2@100 maker
        trade 100 x4 sell             -> #1 fill 1@100 maker, #2 fill 3@100 maker
    """,
    "post-only never crosses": """
        quote 100 101 5 8
        buy#1 limit 101 x3 post       -> rejected 4103
        buy#2 limit 100 x3 post       -> accepted
        sell#3 limit 100 x3 post      -> rejected 4103
    """,
    "own orders never meet": """
        quote 100 105 5 8
        sell#1 limit 103 x3           -> accepted
        buy#2 limit 103 x1            -> rejected 4108
        buy#3 limit 102 x1            -> accepted
        buy#4 market x1               -> rejected 4108   // our own offer stands before 105
        quote 100 102 5 8             -> #3 fill 1@102 maker
        buy#5 market x1               -> accepted, fill 1@102 taker
    """,
    "reduce-only is cut to the position and never opens": """
        quote 100 101 50 80
        sell#1 market x5 reduce       -> rejected 4106
        buy#2 market x5               -> accepted, fill 5@101 taker
        buy#3 market x5 reduce        -> rejected 4106
        sell#4 market x9 reduce       -> accepted, fill 5@100 taker
    """,
    "a resting reduce-only order goes with its position": """
        quote 100 101 50 80
        buy#1 market x5               -> accepted, fill 5@101 taker
        sell#2 limit 105 x5 reduce    -> accepted
        sell#3 market x5              -> #3 accepted, #3 fill 5@100 taker, #2 canceled 4106
    """,
    "a stop fires on the last trade and takes": """
        quote 100 101 50 80
        trade 100 x1
        buy#1 market x5               -> accepted, fill 5@101 taker
        sell#2 market x5 stop=95 reduce -> accepted
        trade 96 x1
        quote 94 95 50 80                                // a quote is no trade
        trade 95 x1                   -> triggered, fill 5@94 taker
    """,
    "without trades the mid is the last price": """
        quote 100 102 50 80
        buy#1 limit 110 x2 stop=105   -> accepted
        quote 104 105 50 80                              // mid 104.5
        quote 104 106 50 80           -> triggered, fill 2@106 taker
    """,
    "a take-profit fires from the other side": """
        quote 100 101 50 80
        trade 100 x1
        buy#1 market x5               -> accepted, fill 5@101 taker
        sell#2 market x5 take=110 reduce -> accepted
        trade 109 x1
        quote 110 111 50 80
        trade 110 x1                  -> triggered, fill 5@110 taker
    """,
    "mark and index triggers": """
        quote 100 101 50 80
        mark 100 100
        sell#1 market x1 stop=95/mark -> accepted
        sell#2 market x1 stop=95/index -> accepted
        trade 90 x1                                      // the last price is not asked
        mark 95 96                    -> #1 triggered, #1 fill 1@100 taker
        mark 96 95                    -> #2 triggered, #2 fill 1@100 taker
    """,
    "a trigger that finds its post-only crossing": """
        quote 100 101 50 80
        trade 100 x1
        buy#1 limit 103 x1 stop=102 post -> accepted
        trade 102 x1                  -> triggered, canceled 4103
    """,
    "cancel, cancel again, duplicate id": """
        quote 100 101 5 8
        buy#1 limit 99 x3             -> accepted
        buy#1 limit 98 x3             -> rejected 4107
        cancel#1                      -> canceled
        cancel#1                      -> cancel_rejected 4104
        amend#1 price=98              -> update_rejected 4104
    """,
    "amend: smaller keeps its place": """
        quote 100 101 5 8
        buy#1 limit 100 x5            -> accepted
        trade 100 x5 sell
        amend#1 size=3                -> updated
        trade 100 x1 sell             -> fill 1@100 maker
    """,
    "amend: larger goes to the end": """
        quote 100 101 5 8
        buy#1 limit 100 x3            -> accepted
        trade 100 x5 sell
        quote 100 101 9 8
        amend#1 size=5                -> updated
        trade 100 x9 sell
        trade 100 x1 sell             -> fill 1@100 maker
    """,
    "amend: a price that crosses takes": """
        quote 100 101 5 8
        buy#1 limit 99 x3             -> accepted
        amend#1 price=101             -> updated, fill 3@101 taker
        buy#2 limit 99 x3 post        -> accepted
        amend#2 price=101             -> update_rejected 4103
        amend#2 size=1                -> updated
        cancel#2                      -> canceled
    """,
    "amend: to what is filled already ends the order": """
        quote 100 101 5 2
        buy#1 limit 101 x5            -> accepted, fill 2@101 taker
        amend#1 size=2                -> canceled
    """,
    "good till a date": """
        quote 100 101 5 8
        at 10 buy#1 limit 99 x1 until=50 -> accepted
        expire 49
        expire 50                     -> expired
        at 60 buy#2 limit 99 x1 until=60 -> rejected 4101
    """,
    "a market order before the first event waits for it": """
        buy#1 market x3               -> accepted
        quote 100 101 5 8             -> fill 3@101 taker
    """,
    "trades alone: one tick off the last": """
        trade 100 x1
        buy#1 market x3               -> accepted, fill 3@101 taker
        sell#2 limit 100 x3 post      -> accepted
        trade 100 x9 buy                                 // nobody shows the queue
        trade 101 x2 buy              -> fill 2@100 maker
    """,
    "the end of the data cancels what works": """
        quote 100 101 5 8
        buy#1 limit 99 x3             -> accepted
        sell#2 market x1 stop=90      -> accepted
        finish                        -> #1 canceled, #2 canceled
    """,
    "rules of the instrument": """
        quote 100 101 5 8
        buy#1 limit 0 x3              -> rejected 4101
        buy#2 limit 100 x0            -> rejected 4101
        buy#3 market x1 post          -> rejected 4101
    """,
}


@pytest.mark.parametrize("rule", TABLES)
def test_fill_rule(rule: str) -> None:
    Recorded().run(TABLES[rule])


BAR_TABLES = {
    "a market order fills at the next open, never at the close it saw": """
        bar 0-60 100 110 90 105 1000
        buy#1 market x3               -> accepted
        bar 60-120 107 110 100 101 1000 -> fill 3@107 taker
    """,
    "at most half of a bar's volume, the rest on the next bar": """
        bar 0-60 100 110 90 105 100
        buy#1 market x80              -> accepted
        bar 60-120 107 110 100 101 100 -> fill 50@107 taker
        bar 120-180 103 110 100 101 100 -> fill 30@103 taker
    """,
    "orders share the bar": """
        bar 0-60 100 110 90 105 100
        buy#1 market x30              -> accepted
        at 60 buy#2 market x30        -> accepted
        bar 60-120 107 110 100 101 100 -> #1 fill 30@107 taker, #2 fill 20@107 taker
    """,
    "once bars say their volume, none is none": """
        bar 0-60 100 110 90 105
        buy#1 market x8               -> accepted
        bar 60-120 107 110 100 101 12 -> fill 6@107 taker
        bar 120-180 103 110 100 101 0
        bar 180-240 102 110 100 101 9 -> fill 2@102 taker
    """,
    "a bar without volume does not cap": """
        bar 0-60 100 110 90 105
        buy#1 market x80              -> accepted
        bar 60-120 107 110 100 101    -> fill 80@107 taker
    """,
    "a limit is not filled by a touch": """
        bar 0-60 100 110 90 105 1000
        buy#1 limit 95 x3             -> accepted
        bar 60-120 100 110 95 101 1000
        bar 120-180 100 110 94 101 1000 -> fill 3@95 maker
    """,
    "a gap fills at the open": """
        bar 0-60 100 110 90 105 1000
        buy#1 limit 95 x3             -> accepted
        bar 60-120 93 110 92 101 1000 -> fill 3@93 maker
    """,
    "an order that arrives in the first tenth of a bar meets its open": """
        bar 0-60 100 110 90 105 1000
        at 65 buy#1 market x3         -> accepted
        at 65 buy#2 limit 95 x3       -> accepted
        bar 60-120 97 110 90 101 1000 -> #1 fill 3@97 taker, #2 fill 3@95 maker
        at 127 buy#3 market x3        -> accepted
        bar 120-180 97 110 95 99 1000 -> #3 fill 3@99 taker
    """,
    "an order that arrives inside a bar meets its close alone": """
        bar 0-60 100 110 90 105 1000
        at 70 buy#1 market x3         -> accepted
        at 71 buy#2 limit 95 x3       -> accepted
        bar 60-120 93 110 90 101 1000 -> #1 fill 3@101 taker
        at 130 buy#3 limit 96 x3      -> accepted
        bar 120-180 97 110 95 95 1000 -> #3 fill 3@96 maker
        bar 180-240 96 99 94 95 1000  -> #2 fill 3@95 maker
    """,
    "a marketable limit pays as taker": """
        bar 0-60 100 110 90 105 1000
        buy#1 limit 120 x3            -> accepted
        bar 60-120 107 110 100 101 1000 -> fill 3@107 taker
    """,
    "stop before limit in one bar": """
        bar 0-60 100 100 100 100 1000
        buy#1 market x3               -> accepted
        bar 60-120 100 100 100 100 1000 -> fill 3@100 taker
        sell#2 limit 110 x3 reduce    -> accepted
        at 120 sell#3 market x3 stop=90 reduce -> accepted
        bar 120-180 100 120 80 100 1000 -> #3 triggered, #3 fill 3@90 taker, #2 canceled 4106
    """,
    "a stop that gaps fills at the open": """
        bar 0-60 100 100 100 100 1000
        sell#1 market x3 stop=90      -> accepted
        bar 60-120 85 100 80 100 1000 -> triggered, fill 3@85 taker
    """,
    "a stop-limit rests when the bar left it behind": """
        bar 0-60 100 100 100 100 1000
        sell#1 limit 92 x3 stop=90    -> accepted
        bar 60-120 100 100 80 85 1000 -> triggered
        bar 120-180 85 93 84 90 1000  -> fill 3@92 maker
    """,
    "IOC in bars: one chance": """
        bar 0-60 100 110 90 105 10
        buy#1 limit 108 x9 IOC        -> accepted
        bar 60-120 107 110 100 101 10 -> fill 5@107 taker, canceled
        buy#2 limit 100 x1 IOC        -> accepted
        bar 120-180 107 110 90 101 10 -> canceled
        buy#3 limit 200 x9 FOK        -> accepted
        bar 180-240 107 110 90 101 10 -> canceled
    """,
    "longer bars of the same tape are not traded twice": """
        bar 0-60 100 110 90 105 1000
        buy#1 limit 95 x3             -> accepted
        bar 0-300 100 110 80 105 1000
        bar 300-360 100 110 94 105 1000 -> fill 3@95 maker
    """,
    "a longer bar that closes together with the one just seen": """
        bar 240-300 100 110 90 105 1000
        buy#1 market x3               -> accepted
        bar 0-300 100 110 90 105 1000
        bar 300-360 107 110 100 101 1000 -> fill 3@107 taker
    """,
    "before any data: the first open": """
        buy#1 market x3               -> accepted
        bar 0-60 100 110 90 105 1000  -> fill 3@100 taker   // it arrived early in it
    """,
    "post-only in bars": """
        bar 0-60 100 110 90 105 1000
        buy#1 limit 106 x1 post       -> rejected 4103
        buy#2 limit 105 x1 post       -> accepted
    """,
}


@pytest.mark.parametrize("rule", BAR_TABLES)
def test_bar_rule(rule: str) -> None:
    Recorded().run(BAR_TABLES[rule])


def test_an_order_at_the_start_of_the_first_bar_fills_at_its_open() -> None:
    Recorded().run("""
        at 0 buy#1 market x3          -> accepted
        bar 0-60 100 110 90 105 1000  -> fill 3@100 taker
    """)


def test_spot_needs_the_cash_with_its_fee_and_the_coins() -> None:
    world = Recorded(spot(taker_fee=10**10), cash=1000, holdings=3)
    world.run("""
        quote 100 100 50 50
        buy#1 limit 100 x10           -> rejected 4201    // 1000 and a fee of 10
        sell#2 limit 101 x4           -> rejected 4201
        sell#3 limit 105 x3           -> accepted
        sell#4 limit 105 x1           -> rejected 4201    // held by #3
        buy#5 limit 90 x9             -> accepted
        buy#6 limit 90 x9             -> rejected 4201    // held by #5
        cancel#5                      -> canceled
        buy#6 limit 90 x9             -> accepted
    """)


def test_margin_is_checked_on_the_worst_case() -> None:
    world = Recorded(cash=100, leverage=10)
    world.run("""
        quote 100 100 500 500
        buy#1 limit 90 x11            -> accepted         // 990 of 1000
        buy#2 limit 90 x1             -> rejected 4201
        sell#3 limit 110 x8           -> accepted         // the other side is free
        cancel#1                      -> canceled
        buy#4 limit 100 x10 IOC       -> accepted, fill 10@100 taker
        sell#5 limit 101 x10          -> accepted         // with #3 short 8 at worst: no more
        sell#7 limit 101 x3           -> rejected 4201    // short 11 at worst
        sell#6 market x10             -> rejected 4201    // short 18 at worst
        sell#8 market x10 reduce      -> accepted, fill 10@100 taker
    """)


def test_hedge_mode_needs_a_side_and_one_way_mode_none() -> None:
    Recorded(hedge=True).run("""
        quote 100 101 50 80
        buy#1 market x5               -> rejected 4308
        buy#2 market x5 long          -> accepted, fill 5@101 taker
        sell#3 market x2 short        -> accepted, fill 2@100 taker
        sell#4 market x9 long         -> accepted, fill 5@100 taker
        buy#5 market x1 long          -> accepted, fill 1@101 taker
        sell#6 market x1 long         -> accepted, fill 1@100 taker
        sell#7 market x1 long         -> rejected 4106
    """)
    Recorded().run("""
        quote 100 101 50 80
        buy#1 market x5 long          -> rejected 4308
    """)


def test_funding_is_paid_by_the_long_when_positive() -> None:
    world = Recorded(cash=1000)
    world.run("""
        quote 100 100 500 500
        buy#1 market x5               -> accepted, fill 5@100 taker
    """)
    world.core.funding(10, 10**9, 200)  # 0.1 % of 5 * 200
    assert world.core.account.balance(USDT) == 999 * ONE
    assert world.core.account.funding(0) == -ONE


def test_counters_say_what_a_report_must() -> None:
    world = Recorded()
    world.run("""
        quote 100 101 0 8
        buy#1 market x10              -> accepted, fill 8@101 taker, fill 2@102 taker
        sell#2 market x10             -> accepted, fill 10@100 taker
        buy#3 limit 0 x1              -> rejected 4101
    """)
    counters = world.core.counters()
    assert counters["orders"] == 3
    assert counters["rejected"] == 1
    assert counters["fills"] == 3
    assert counters["fills_beyond_touch"] == 1
    assert counters["fills_without_size"] == 1


def test_nothing_is_working_when_all_is_done() -> None:
    world = Recorded()
    world.run("quote 100 101 5 8")
    assert not world.core.working()
    world.run("buy#1 limit 99 x1 -> accepted")
    assert world.core.working()
    world.run("cancel#1 -> canceled")
    assert not world.core.working()


def test_what_a_trigger_sets_free_within_a_bar_does_not_know_its_close() -> None:
    """At 105 a post-only sell at 104 crosses, whatever the bar closes at; and money is asked for at
    the price there."""
    Recorded().run("""
        bar 0-60 100 100 100 100 1000
        sell#1 limit 104 x5 post take=105     -> accepted
        bar 60-120 100 106 90 90 1000         -> triggered, canceled 4103
    """)
    Recorded(cash=1050, leverage=1).run("""
        bar 0-60 100 100 100 100 1000
        buy#1 market x10 stop=105             -> accepted
        bar 60-120 100 150 100 150 1000       -> triggered, fill 10@105 taker
    """)


def test_orders_of_one_date_expire_in_the_order_in_which_they_came() -> None:
    Recorded().run("""
        quote 100 101 50 50
        buy#1 limit 99 x1                     -> accepted
        buy#2 limit 98 x1 until=50            -> accepted
        cancel#1                              -> canceled
        buy#3 limit 97 x1 until=50            -> accepted
        expire 50                             -> #2 expired, #3 expired
    """)
