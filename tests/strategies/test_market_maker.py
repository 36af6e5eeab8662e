"""The market maker's rules: shifts, sizes, hysteresis, and limits that no burst of fills breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.loader import load_strategy
from onetape.exchange.flow import GeneratedMarket, RandomWalk, flow_market
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.tapes import BTC, SECOND, START, Market, play, records

ROOT = Path(__file__).resolve().parents[2]
MarketMaker = load_strategy(str(ROOT / "strategies" / "market_maker.py"))


def requests(journal: Path) -> list[tuple[str, str, int, int]]:
    """(place|cancel, side, price, size) of all actions, in units."""
    return [
        (r.data["kind"], r.data["side"], r.data["price"], r.data["size"]) for r in records(journal, "order_request")
    ]


def maker(tmp_path: Path, market: Market, **params):
    latency = params.pop("latency", (0, 0))
    cash = params.pop("cash", {"USDT": 10**9})
    params = {"symbol": market.symbol, **params}
    return play(MarketMaker, market.done(), journal=tmp_path / "run", latency=latency, params=params, cash=cash)


def test_quotes_stand_shift_ticks_from_the_mid_with_their_sizes(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    maker(tmp_path, market, shift=7, buy_by=0.4, sell_by=0.3)
    assert requests(tmp_path / "run") == [("place", "buy", 993, 400), ("place", "sell", 1007, 300)]


def test_a_mid_between_two_ticks_rounds_away_from_the_market(tmp_path):
    market = Market(tmp_path / "t").quote(0, 100.0, 100.1)
    maker(tmp_path, market)
    assert [price for _, _, price, _ in requests(tmp_path / "run")] == [995, 1006]


@pytest.mark.parametrize(("ticks", "moves"), [(1, 0), (2, 0), (-2, 0), (3, 2), (-3, 2)])
def test_quotes_are_moved_beyond_two_ticks_only(tmp_path, ticks, moves):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    market.quote(1, 99.9 + ticks / 10, 100.1 + ticks / 10).quote(2, 99.9 + ticks / 10, 100.1)
    maker(tmp_path, market)
    assert sum(kind == "cancel" for kind, *_ in requests(tmp_path / "run")) == moves


def test_its_own_quotes_at_the_top_move_nothing(tmp_path):
    """As an exchange shows them, one after the other and then both: nobody else has moved."""
    market = Market(tmp_path / "t").quote(0, 100.0, 102.0)
    market.quote(1, 100.8, 102.0, bid_size=0.4).quote(2, 100.8, 101.2, 0.4, 0.3)
    market.quote(3, 100.0, 101.2, ask_size=0.3)
    maker(tmp_path, market, shift=2, buy_by=0.4, sell_by=0.3)
    assert requests(tmp_path / "run") == [("place", "buy", 1008, 400), ("place", "sell", 1012, 300)]


def test_others_are_followed_though_it_stands_at_the_top_itself(tmp_path):
    market = Market(tmp_path / "t").quote(0, 100.0, 102.0)
    market.quote(1, 100.8, 103.0, bid_size=0.4).quote(2, 100.8, 103.0, bid_size=0.4)
    maker(tmp_path, market, shift=2, buy_by=0.4, sell_by=0.3)
    kinds = [(kind, side, price) for kind, side, price, _ in requests(tmp_path / "run")]
    assert ("cancel", "buy", 1008) in kinds
    assert ("place", "buy", 1018) in kinds


def test_who_joins_its_price_is_part_of_the_market(tmp_path):
    market = Market(tmp_path / "t").quote(0, 100.0, 102.0)
    market.quote(1, 100.8, 102.0, bid_size=0.401)
    maker(tmp_path, market, shift=2, buy_by=0.4, sell_by=0.3)
    assert ("cancel", "buy", 1008, 400) in requests(tmp_path / "run")


def test_at_its_limit_only_the_side_that_reduces_is_quoted(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.0, 99.2)
    market.trade(1.5, 99.0, 100, "sell").quote(2, 98.9, 99.1).quote(3, 98.9, 99.1)
    played = maker(tmp_path, market)
    assert played.robot.position(BTC).qty == 1.0
    assert {order.side for order in played.robot.orders(BTC)} == {"sell"}


def test_a_bid_is_no_larger_than_the_room_that_is_left(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    maker(tmp_path, market, buy_by=3, buy_limit=1, sell_by=0.5, sell_limit=-0.2)
    assert [size for *_, size in requests(tmp_path / "run")] == [1000, 200]


def test_a_moved_quote_waits_until_the_old_one_is_gone(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    market.quote(1, 109.9, 110.1).quote(1.05, 109.9, 110.1).quote(2, 109.9, 110.1)
    maker(tmp_path, market, latency=(0.05, 0.05))
    bids = [(kind, price) for kind, side, price, _ in requests(tmp_path / "run") if side == "buy"]
    assert bids == [("place", 995), ("cancel", 995), ("place", 1095)]


@st.composite
def bursts(draw):
    """A market that jumps and trades through quotes of any age, several events at one moment."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0.0, 0.001, 0.02, 0.5]),
                st.sampled_from(["quote", "sell", "buy"]),
                st.integers(-40, 40),
                st.sampled_from([0.05, 0.3, 1.0, 50.0]),
            ),
            min_size=5,
            max_size=60,
        )
    )
    latency = draw(st.sampled_from([0.0, 0.003, 0.1, 0.7]))
    limits = draw(st.sampled_from([(1.0, -1.0), (0.5, 0.0), (2.0, -0.25), (0.0, 0.0)]))
    sizes = draw(st.sampled_from([(1.0, 1.0), (3.0, 3.0), (0.3, 0.7)]))
    return steps, latency, limits, sizes


def worst_cases(journal: Path) -> list[tuple[int, int]]:
    """After each record: the position if every working bid filled now, and if every ask did. An
    order works from its request until the robot has heard of its end."""
    position, left = 0, {}
    cases = []
    with JournalReader(journal) as reader:
        for record in reader:
            data = record.data
            if record.type == "order_request" and data["kind"] == "place":
                left[data["order_id"]] = data["size"] if data["side"] == "buy" else -data["size"]
            elif record.type == "order_event" and data["news"] in {"canceled", "rejected"}:
                left.pop(data["order_id"], None)
            elif record.type == "fill":
                signed = data["size"] if data["side"] == "buy" else -data["size"]
                position += signed
                if data["order_id"] in left:
                    left[data["order_id"]] -= signed
            else:
                continue
            cases.append(
                (
                    position + sum(size for size in left.values() if size > 0),
                    position + sum(size for size in left.values() if size < 0),
                )
            )
    return cases


@settings(max_examples=examples(60), deadline=None)
@given(bursts())
def test_not_even_everything_that_works_filling_at_once_breaks_them(tmp_path_factory, burst):
    """Stronger than any burst that was drawn: the limits hold for the worst one there can be."""
    steps, latency, (most, least), (buy_by, sell_by) = burst
    tmp_path = tmp_path_factory.mktemp("worst")
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    at, centre = 1.0, 0
    for wait, kind, move, size in steps:
        at += wait
        if kind == "quote":
            centre += move
            market.quote(at, 99.9 + centre / 10, 100.1 + centre / 10, size, size)
        else:
            market.trade(at, 100 + (centre + move) / 10, size, kind)
    played = maker(
        tmp_path, market, latency=(latency, latency), buy_limit=most, sell_limit=least, buy_by=buy_by, sell_by=sell_by
    )
    assert played.loop.counters()["denied"] == 0
    for highest, lowest in worst_cases(tmp_path / "run"):
        assert highest <= most * 1000
        assert lowest >= least * 1000


@pytest.mark.parametrize("latency", [0.0, 0.001, 0.05, 0.7])
@pytest.mark.parametrize("side", ["sell", "buy"])
def test_four_prints_in_one_message_fill_no_more_than_the_limit(tmp_path, side, latency):
    """Each is large enough for the whole limit, all carry one stamp, and a second burst comes
    before anything that answers the first can be there."""
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.9, 100.1)
    for at in (3.0, 3.0005, 3.02):
        for _ in range(4):
            market.trade(at, 98.0 if side == "sell" else 102.0, 1.0, side)
            market.quote(at, 99.9, 100.1, 1, 1)
    market.quote(9, 99.9, 100.1)
    played = maker(tmp_path, market, latency=(latency, latency), buy_limit=1, sell_limit=-1)
    assert played.robot.position(BTC).qty == (1.0 if side == "sell" else -1.0)
    assert played.loop.counters()["fills"] == 1


@pytest.mark.parametrize("latency", [0.0, 0.05, 3.0])
def test_the_limits_hold_on_a_walk_that_never_stops_filling(tmp_path, latency):
    market = GeneratedMarket(
        [flow_market(BTC)], seed=11, start=START, walk=RandomWalk(drift=0, trade_probability=0.9, step=SECOND // 10)
    )
    with JournalWriter(tmp_path / "t", process="test", durable=False) as writer:
        market.open(writer)
        market.write(writer, 20_000)
    play(
        MarketMaker,
        tmp_path / "t",
        journal=tmp_path / "run",
        latency=(latency, latency),
        params={
            "symbol": BTC,
            "shift": 1,
            "buy_by": 0.3,
            "sell_by": 0.4,
            "buy_limit": 0.5,
            "sell_limit": -0.5,
            "keep_within": 1,
        },
        cash={"USDT": 10**9},
    )
    cases = worst_cases(tmp_path / "run")
    assert len(cases) > 50
    assert max(highest for highest, _ in cases) == 500
    assert min(lowest for _, lowest in cases) == -500


def test_an_order_that_is_denied_is_not_sent_again_at_once(tmp_path):
    market = Market(tmp_path / "t")
    for number in range(300):  # of three seconds
        market.quote(number / 100, 99.9, 100.1)
    played = maker(tmp_path, market, cash={"USDT": 1}, buy_by=1.0, sell_by=1.0)
    assert not played.loop.halted
    assert 0 < played.loop.counters()["denied"] <= 6


def test_a_side_that_is_denied_does_not_silence_the_other(tmp_path):
    """Near a limit what is left of a side may be less than the venue takes of an order."""
    market = Market(tmp_path / "t", notional_min="5")
    for at in range(4):
        market.quote(at / 2, 99.9 - at, 100.1 - at)
    maker(tmp_path, market, buy_by=0.01, sell_by=1.0, keep_within=0)
    placed = [side for kind, side, *_ in requests(tmp_path / "run") if kind == "place"]
    # Bids are denied, again only after a second; the ask follows the market.
    assert placed.count("buy") == 2
    assert placed.count("sell") == 4
