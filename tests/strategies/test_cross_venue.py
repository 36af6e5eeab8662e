"""The cross-venue example: both legs or none, and only with the money that lies at each venue."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pytest

from onetape.engine.latency import parse_latencies
from onetape.engine.loader import load_strategy
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, Market, play

FILE = Path(__file__).resolve().parents[2] / "strategies" / "cross_venue.py"
KRAKEN = "kraken:BTC/USD:USD"
CASH = {"binance": {"USDT": Decimal(1000)}, "kraken": {"USD": Decimal(1000)}}


def strategy():
    return load_strategy(f"{FILE}:CrossVenue")


def gaps(path: Path, rows) -> Path:
    """(second, price at binance, price at kraken); a tick between bid and ask; fees 0.1 %."""
    market = Market(path, taker_fee="0.001")
    market.add(KRAKEN, taker_fee="0.001")
    for at, a, b in rows:
        market.quote(at, a - 0.1, a)
        market.quote(at, b - 0.1, b, symbol=KRAKEN)
    return market.done()


def fills(journal: Path) -> list[tuple[int, int, int]]:
    """(instrument from 1, side, size) in order."""
    with JournalReader(journal) as reader:
        rows = reader.columns("fill")
    return list(zip(*(rows[name].tolist() for name in ("stream", "side", "size")), strict=True))


@pytest.mark.parametrize(
    ("gap", "deals"),
    [
        (0.0, []),
        (0.3, []),  # 0.2 between bid and ask over: 0.2 % of fees and 0.02 % are more
        (0.4, [(1, 1, 10), (2, 2, 10)]),  # 0.3 pay 0.2 of fees and an edge of 0.02
        (-0.4, [(2, 1, 10), (1, 2, 10)]),
    ],
)
def test_it_deals_when_the_gap_pays_both_fees(tmp_path, gap, deals) -> None:
    rows = [(0, 100, 100), (1, 100, 100 + gap), (2, 100, 100), (3, 100, 100)]
    tape = gaps(tmp_path / "t", rows)
    journal = tmp_path / "j"
    played = play(strategy(), tape, accounts=CASH, journal=journal, fee=None, params={"limit": 0.01})
    played.session.close()
    assert sorted(fills(journal)) == sorted(deals)


@pytest.mark.parametrize("poor", ["binance", "kraken"])
def test_without_money_at_one_venue_there_is_no_deal(tmp_path, poor) -> None:
    rows = [(at, 100, 101) for at in range(5)] + [(at, 101, 100) for at in range(5, 9)]
    tape = gaps(tmp_path / "t", rows)
    cash = {venue: dict(money) for venue, money in CASH.items()}
    cash[poor] = {currency: Decimal(0) for currency in cash[poor]}
    played = play(strategy(), tape, accounts=cash, fee=None)
    assert played.loop.counters()["orders"] == 0


def test_a_leg_that_failed_is_taken_back(tmp_path) -> None:
    """Kraken, which is slow, has become too dear for its money when the order arrives."""
    rows = [(0, 100, 99), (1, 100, 99), (2, 100, 200), (3, 200, 200), (4, 200, 200)]
    tape = gaps(tmp_path / "t", rows)
    cash = {"binance": {"USDT": Decimal(1000)}, "kraken": {"USD": Decimal("150")}}
    _, latencies = parse_latencies("kraken=2500ms,0")
    played = play(
        strategy(), tape, accounts=cash, latencies=latencies, fee=None, params={"size": 1.0, "limit": 1.0, "edge": 0.0}
    )
    counters = played.loop.counters()
    assert counters["rejected"] == 1
    assert played.robot.position(BTC).qty == 0
    assert played.robot.position(KRAKEN).qty == 0
    assert counters["fills"] == 2  # in at binance, and out again


@pytest.mark.parametrize("seed", range(5))
def test_the_legs_are_even_when_nothing_works(tmp_path, seed) -> None:
    rng = random.Random(seed)
    a, b, rows = 100.0, 100.0, []
    for at in range(600):
        a = round(a + rng.choice((-0.1, 0, 0.1)), 1)
        b = round(b + rng.choice((-0.1, 0, 0.1)) + 0.1 * (a - b), 1)
        rows.append((at / 10, a, b))
    tape = gaps(tmp_path / "t", [*rows, *((61 + i, a, a) for i in range(5))])
    latency, latencies = parse_latencies("20ms;kraken=20ms,150ms")
    played = play(strategy(), tape, accounts=CASH, latency=latency, latencies=latencies, fee=None, params={"edge": 0.0})
    robot = played.robot
    assert played.loop.counters()["fills"] > 10
    assert robot.position(BTC).qty == -robot.position(KRAKEN).qty
    assert abs(robot.position(BTC).qty) <= 0.05 + 1e-9


def test_two_real_recordings_with_a_wallet_each(tmp_path, shared) -> None:
    """Binance's spot and its futures of five minutes, 2024-08-08: two wallets, as they are. Spot
    was dearer by 0.03 to 0.05 %, so coins are sold and the contract is bought, up to the limit."""
    import onetape
    from onetape.data.importing import import_files
    from onetape.replay.replay import replay_run

    spot, perp = "spot:BTC/USDT", "binance:BTC/USDT:USDT"
    tapes = [tmp_path / "spot.tape", tmp_path / "perp.tape"]
    for kind, symbol, tape in zip(("spot", "usdm"), (spot, perp), tapes, strict=True):
        raw = shared / f"binance-{kind}" / "btcusdt-2024-08-08.raw.gz"
        import_files("binance-raw", [raw], symbol=symbol, out=tape)
    run = onetape.backtest(
        f"{FILE}:CrossVenue",
        data=tapes,
        home=tmp_path,
        fee="0,0.0001",
        cash={"spot": "0 USDT, 1 BTC", "binance": "10000 USDT"},
        latency={"": "5ms", "spot": "20ms,40ms"},
        a=spot,
        b=perp,
        report=False,
    )
    held, money = {spot: 0.0, perp: 0.0}, 0.0
    for symbol, side, price, qty in run.fills.select("symbol", "side", "price", "qty").iter_rows():
        held[symbol] += qty if side == "buy" else -qty
        money += price * qty * (symbol == spot) * (1 if side == "sell" else -1)
    assert held == pytest.approx({spot: -0.05, perp: 0.05})
    assert run.stats["denied"] == run.stats["rejected"] == 0
    rows = {each["venue"]: each for each in run.facts["venue_result"]}
    # Sold coins became money of the spot wallet, and none of it is at the futures'.
    last = {
        name: each["balance"][-1]
        for (name, currency), each in run.accounts.partition_by("account", "currency", as_dict=True).items()
        if currency == "USDT"
    }
    assert last["spot"] == pytest.approx(money - float(rows["spot"]["fees"]), abs=1e-6)
    fees = float(rows["binance"]["fees"])
    assert last["binance"] == pytest.approx(10_000 - fees, abs=1e-6)
    assert replay_run(run.path, verify=True)["divergences"] == 0
