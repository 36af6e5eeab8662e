"""A robot that sells one thing to buy another in one callback, live: it has not the money for both,
and its orders fill as in the backtest of the same strategy, whichever it asks for first."""

from __future__ import annotations

import signal
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from exchange.venue_client import served
from onetape.ipc.operator import send_command
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.options.gateway import gateway_socket
from onetape.orders.order_frames import request_of
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.command_lines import begin, ended
from worlds.gateway_process import GatewayProcess

STRATEGY = """
from onetape import Strategy


class Rotate(Strategy):
    one: str = "FIRST"
    other: str = "SECOND"
    money: str = "MONEY"
    cash: float = CASH
    first: str = "sell"

    def on_start(self):
        self.subscribe(self.one, quotes=True)
        self.subscribe(self.other, quotes=True)
        self.sizes = {self.one: 0.01, self.other: 0.2}
        self.step = 0

    def on_quote(self, quote):
        if not (self.quote(self.one) and self.quote(self.other)):
            return
        if self.step == 0 and self.balance(self.money).total >= self.cash:
            self.step = 1
            self.buy(self.one, self.sizes[self.one])
        elif self.step == 1 and self.holds(self.one, self.other):
            self.step = 2
            self.rotate(self.one, self.other)
        elif self.step == 2 and self.holds(self.other, self.one):
            self.step = 3
            self.rotate(self.other, self.one)

    def holds(self, this, and_not):
        return self.position(this).qty == self.sizes[this] and not self.position(and_not).qty

    def rotate(self, sold, bought):
        if self.first == "sell":
            self.sell(sold, self.sizes[sold])
        self.buy(bought, self.sizes[bought])
        if self.first == "buy":
            self.sell(sold, self.sizes[sold])
"""


class Venue(NamedTuple):
    one: str
    other: str
    money: str
    cash: int  # for one of both


VENUES = {
    "kraken": Venue("kraken:BTC/USD", "kraken:ETH/USD", "USD", 650),
    "binance-usdm": Venue("binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT", "USDT", 70),
}
ORDERS = 5
LEVERAGE = 10


def write(folder: Path, kind: str, port: int, account) -> None:
    venue = VENUES[kind]
    text = STRATEGY.replace("FIRST", venue.one).replace("SECOND", venue.other)
    text = text.replace("MONEY", venue.money).replace("CASH", str(venue.cash))
    (folder / "rotate.py").write_text(text)
    for name in ("key", "secret"):
        file = folder / name
        file.write_text(getattr(account, name))
        file.chmod(0o600)
    (folder / "onetape.toml").write_text(
        f'[venues.here]\nkind = "{kind}"\nmode = "sim"\nrest = "http://127.0.0.1:{port}"\n'
        f'[accounts.main]\nvenue = "here"\nkey = "file:{folder}/key"\n'
        f'secret = "file:{folder}/secret"\nleverage = {LEVERAGE}\nsubaccounts = {{ a = 2 }}\n'
    )


def allocate(home: Path, kind: str) -> None:
    """Once the gateway knows what there is."""
    venue, tries = VENUES[kind], count(1)
    fields = {"currency": venue.money, "index": 2, "amount": venue.cash}

    def is_done() -> bool:
        if not gateway_socket(home, "main").exists():
            return False
        name = f"so much {next(tries)}"
        (reported,) = send_command(home, "gateway:main", "allocate", fields, name)
        return reported["status"] == "applied"

    wait_for(is_done)


def orders(run: Path) -> list[tuple]:
    """In the order in which they were asked for: side, quantity, and how much was filled. Both
    things have quantities of their own."""
    found: dict[int, list] = {}
    with JournalReader(run / "journal") as reader:
        for record in reader:
            if record.type == "order_request" and record.data["kind"] == "place":
                found[record.data["order_id"]] = [record.data["side"], record.data["size"], 0]
            elif record.type == "fill":
                found[record.data["order_id"]][2] += record.data["size"]
    return [tuple(each) for each in found.values()]


def waited(home: Path) -> int:
    """Orders that were held, by the gateway's tape."""
    with JournalReader(gateway_journal(home, "main")) as reader:
        requests = [frame.payload for frame in reader.frames(("order_request",))]
    return sum(request_of(payload, "").is_held for payload in requests)


@pytest.mark.parametrize("kind", VENUES)
@pytest.mark.parametrize("first", ["sell", "buy"])
@pytest.mark.parametrize("form", ["in one process", "a gateway apart"])
def test_it_fills_as_in_the_backtest(tmp_path, kind, first, form):
    home = tmp_path / ".onetape"
    with served(kind, seed=11, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        write(tmp_path, kind, port, account)
        gateway = None
        if form != "in one process":
            venue = VENUES[kind]
            gateway = GatewayProcess(
                kind,
                home,
                port,
                account,
                venue="here",
                subaccounts={"a": 2},
                leverage=LEVERAGE,
                symbols=[venue.one, venue.other],
            )
            make_token(home, "operator")
            gateway.start()
            allocate(home, kind)
        robot = begin(tmp_path, "run", "rotate.py", "--live", "--subaccount", "a", "--param", f"first={first}")
        try:
            if gateway is None:
                allocate(home, kind)
            wait_for(lambda: len({t.order.id for t in list(account.trades)}) == ORDERS or robot.poll() is not None)
            # The backtest's orders arrive later than these: the tape has to go on.
            until = dialect.exchange.now + 2 * SECOND
            wait_for(lambda: dialect.exchange.now > until)
            robot.send_signal(signal.SIGINT)
            reported = ended(robot)
        finally:
            robot.kill()
            if gateway is not None:
                gateway.kill()
    live = orders(Path(reported["run"]))
    assert len(live) == ORDERS
    assert all(filled == wanted for _, wanted, filled in live)
    # What is asked for behind its sale may find that filled already.
    assert waited(home) == 2 if first == "buy" else waited(home) <= 2
    tested = run_backtest(
        BacktestOptions(
            strategy=str(tmp_path / "rotate.py"),
            data=[gateway_journal(home, "main")],
            home=tmp_path / "tested",
            out=str(tmp_path / "tested" / "run"),
            cash=f"{VENUES[kind].cash} {VENUES[kind].money}",
            leverage=LEVERAGE,
            params={"first": first},
            write_report=False,
        )
    )
    assert orders(tested.run) == live
