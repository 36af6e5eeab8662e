"""What a portfolio does when the market changes: sizes follow volatility, working orders the quotes, within the time
allotted; and contracts that expire."""

from __future__ import annotations

from decimal import Decimal
from itertools import count, islice

import pytest

from onetape.engine.loader import load_strategy
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import BadConfig
from onetape.orders.managed import NewsOut
from worlds.scripted_gateway import A, Robot
from worlds.tapes import BTC, ETH, SECOND, START, Market, play, records

MINUTE = 60 * SECOND
NEAR, NEXT = "binance:BTC/USDT:USDT-260101", "binance:BTC/USDT:USDT-260326"
MEMBERS = """
from onetape import Strategy


class Long(Strategy):
    symbol: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.set_target(self.symbol, 1.0)


class Short(Strategy):
    symbols: list[str] = []
    rolls: bool = True
    size: float = -2.0

    def on_start(self):
        self.subscribe(self.symbols[0], quotes=True)
        self.row = self.roll(self.symbols, "2h") if self.rolls else None
        self.is_set = False

    def on_quote(self, quote):
        if not self.is_set:
            self.set_target(self.symbols[0], self.size)
        self.is_set = True
"""


def portfolio(folder, text):
    (folder / "members.py").write_text(MEMBERS)
    file = folder / "portfolio.toml"
    file.write_text(text)
    return load_strategy(str(file))


def of_volatility(more: str, symbols=(BTC, ETH), weights="inverse_volatility") -> str:
    return f"""[portfolio]
weights = "{weights}"
returns = "1m"
window = 20
rebalance = "1d"
{more}
[portfolio.strategies.long]
strategy = "members.py:Long"
symbols = {list(symbols)}
algo = "peg"
options = {{ minutes = 15 }}
"""


def two_markets(path, minutes=100, shock=60):
    """After an hour BTC falls in jumps, so that nobody buys what rests at the middle."""
    made, fallen = Market(path, lot="0.00001"), 0.0
    made.add(ETH, lot="0.00001")
    for quarter in range(minutes * 4):
        minute, sign = quarter // 4, 1 if quarter // 4 % 2 else -1
        fallen += 0 if minute < shock else 3 if minute % 2 else 0.05
        for symbol, mid in ((BTC, 1000 - fallen + (sign if minute < shock else 0)), (ETH, 1000 + sign)):
            made.quote(quarter * 15, mid - 0.5, mid + 0.5, symbol=symbol)
    return made.done()


def test_sizes_follow_volatility_at_once_and_orders_the_quotes_within_their_time(tmp_path):
    run = {"cash": {"USDT": Decimal(10**5)}, "leverage": 3}
    played = play(
        portfolio(tmp_path, of_volatility("volatility_change = 0.5")),
        two_markets(tmp_path / "t"),
        journal=tmp_path / "run",
        **run,
    )
    said = [each for each in records(tmp_path / "run", "log") if each.data["text"] == "weights"]
    shock = START + 60 * MINUTE
    assert said[0].time < shock and 0 < said[1].time - shock <= 5 * MINUTE, "rebalances are a day apart"
    first, last = said[0].data["fields"]["symbols"], said[-1].data["fields"]["symbols"]
    assert first[BTC] == pytest.approx(0.5, rel=0.1) and last[BTC] < 0.3
    one, *more = [r for r in records(tmp_path / "run", "target") if r.data["symbol"] == BTC and r.time > shock]
    end = one.time + 15 * MINUTE
    in_time = [each for each in more if each.time < end]
    assert in_time and {each.data["options"]["deadline"] for each in in_time} == {end}, (
        "the same time, whatever its size"
    )
    sent = [r for r in records(tmp_path / "run", "order_request") if one.time < r.time < end]
    assert len({each.data["price"] for each in sent}) > 5, "orders go with the quotes"
    done = [r.time for r in records(tmp_path / "run", "log") if r.data["text"].endswith(f"{BTC}: done")]
    assert any(end <= each <= end + SECOND for each in done), "what nobody took is taken then"
    assert str(played.loop.position(BTC, None).qty) == (more or [one])[-1].data["qty"]


@pytest.mark.parametrize("weights", ["equal", ""])
@pytest.mark.parametrize("key", ["volatility_change", "volatility"])
def test_volatility_without_weights_of_returns_is_refused(tmp_path, key, weights):
    with pytest.raises(BadConfig, match=f"{key} needs weights that are computed from returns"):
        portfolio(tmp_path, of_volatility(f"{key} = 0.5", weights=weights))


def dated(path):
    made = Market(path, symbol=NEAR, lot="0.01")
    made.add(NEXT, lot="0.01")
    for minute in range(0, 600, 5):
        for symbol, mid in ((NEAR, 100), (NEXT, 102)):
            made.quote(minute * 60, mid - 0.1, mid + 0.1, symbol=symbol)
            made.mark(minute * 60, mid, symbol=symbol)
    return made.done()


def of_contracts(rolls: bool) -> str:
    sections = "".join(
        f"""[portfolio.strategies.{name}]
strategy = "members.py:Short"
symbols = {[NEAR, NEXT]}
params = {{ size = {size}, rolls = {str(rolls).lower()} }}
"""
        for name, size in (("big", -3.0), ("small", 1.0))
    )
    return f"[portfolio]\n{sections}"


@pytest.mark.parametrize("rolls", [True, False])
def test_members_roll_together_and_what_is_not_rolled_is_settled_with_its_owners(tmp_path, rolls):
    played = play(
        portfolio(tmp_path, of_contracts(rolls)),
        dated(tmp_path / "t"),
        journal=tmp_path / "run",
        cash={"USDT": Decimal(10**4)},
        leverage=3,
    )
    assert [played.loop.position(each, None).qty for each in (NEAR, NEXT)] == [0, -2 if rolls else 0]
    for name, size in (("big", -3), ("small", 1)):
        member = next(each for each in played.host.children if repr(each) == f"/portfolio/{name}")
        assert [member.position(each).qty for each in (NEAR, NEXT)] == [0, size if rolls else 0]
    said = [each.data["fields"] for each in records(tmp_path / "run", "log") if "realized" in each.data["fields"]]
    assert {each["member"] for each in said} == {"big", "small"}, "nothing is nobody's"
    orders = records(tmp_path / "run", "order_request")
    assert len(orders) == (3 if rolls else 1), "what the one buys of the other stays inside"


def test_a_live_portfolio_does_the_same(tmp_path):
    kind = portfolio(tmp_path, of_volatility("volatility_change = 0.5\nvolatility = 0.5", [A], weights="risk_parity"))
    with Robot(tmp_path, kind) as robot:
        halves = count()

        def minutes(wanted: int, swing: int) -> None:
            for each in islice(halves, 2 * wanted):
                robot.first.later += 29 * SECOND
                price = 600_000 + each // 2 % 2 * swing
                robot.first.quote(price)
                robot.first.trade(price)
                robot.run.step()

        def targets():
            return records(robot.run.folder / "journal", "target")

        minutes(24, 600)
        (order,) = robot.loop.working(A)
        taken = robot.first.order(order.id, order.qty_int)
        robot.run.step()
        (first,) = targets()
        for _ in range(10):
            minutes(1, 6000)
            if len(targets()) > 1:
                break
        (_, second) = targets()
        assert second.data["options"] == {"deadline": first.time + 15 * MINUTE}
        assert 0 < Decimal(second.data["qty"]) < Decimal(first.data["qty"])
        robot.first.tape.write(
            NewsOut(taken, OrderNews.CANCELED, OrderState.CANCELED, robot.first.later), robot.first.later
        )
        robot.run.step()
        (order,) = robot.loop.working(A)
        assert str(order.qty) == second.data["qty"]
        robot.first.order(order.id, order.qty_int)
        robot.run.step()
        minutes(1, 6000)
        assert order.state == OrderState.PENDING_UPDATE, "it goes with the quotes"
