"""`onetape run --live` as its users start it: the command, a gateway and an exchange, each a
process of its own, with what `onetape init` wrote; and the proof by replay."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from onetape.model.enums import EventType
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from worlds.command_lines import answered
from worlds.frames import FILL

SECONDS = (6, 30)  # the second where a machine is too busy for the first


def traded(folder: Path, *arguments: object) -> dict:
    """A live run with orders of its own."""
    for seconds in SECONDS:
        reported = answered(
            folder, "run", *arguments, "--live", "--account", "main", "--seconds", seconds, "--home", f"home{seconds}"
        )
        if reported["orders"]:
            break
    assert reported["orders"] > 0
    return reported


def records(tape: Path, *names: str) -> list[tuple[str, dict]]:
    with JournalReader(tape) as reader:
        return [
            (EventType.from_id(frame.type).value, msgspec.msgpack.decode(frame.payload))
            for frame in reader.frames(names)
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    answered(tmp_path, "init", "my")
    return tmp_path / "my"


def test_what_init_wrote_trades_live_on_kraken_and_is_repeated(folder):
    reported = traded(folder, "strategies/market_maker.py")
    run = Path(reported["run"])
    second = answered(folder, "replay", run, "--verify")
    assert second["divergences"] == 0
    assert second["actions"] > 0
    (home,) = (each for each in run.parents if (each / "journal").is_dir() and each != run)
    tape = gateway_journal(home, "main")
    words = records(tape, "health", "alert")
    assert ("health", {"kind": "reconciled", "subject": "connected", "state": "0 differences"}) in (words)
    assert not [word for word in words if word[0] == "alert"]
    # What the fills say is what the exchange's balances became, to the last digit.
    last = {r["currency"]: int(r["total"]) for _, r in records(tape, "balance")}
    entries = [r for _, r in records(tape, "entry")]
    opening = {
        currency: int(amount)
        for entry in entries
        if entry["cause"] == "opening"
        for holder, currency, amount, _ in entry["legs"]
        if holder > 0
    }
    assert not [entry for entry in entries if entry["cause"] == "correction"]
    usd = btc = 0
    with JournalReader(tape) as reader:
        fills = [FILL.unpack(frame.payload) for frame in reader.frames(("fill",))]
    for fill in fills:
        price, size, fee, side = fill[4], fill[5], fill[6] + (fill[7] << 64), fill[8]
        sign = 1 if side == 1 else -1
        usd -= sign * price * size * 10**9 + fee  # 1 and 8 decimals
        btc += sign * size * 10**10
    assert len(fills) == reported["fills"]
    assert opening["USD"] + usd == last["USD"]
    assert opening["BTC"] + btc == last["BTC"]


def test_a_second_run_begins_with_a_second_exchange(folder):
    """The simulated exchange of a run ends with it: nothing of the first is held against it."""
    for _ in range(2):
        reported = answered(folder, "run", "strategies/market_maker.py", "--live", "--account", "main", "--seconds", 3)
        assert answered(folder, "replay", reported["run"], "--verify")["divergences"] == 0
    home = Path(reported["run"]).parents[1]
    words = records(gateway_journal(home, "main"), "health", "alert")
    assert [word for word in words if word[0] == "alert"] == []
    reconciled = [r["state"] for _, r in words if r["kind"] == "reconciled"]
    assert len(reconciled) >= 2 and set(reconciled) == {"0 differences"}  # once more where a stream was cut


@pytest.mark.parametrize(
    ("symbol", "code", "name", "says"),
    [
        ("kraken:NIX/USD", 3, "UNKNOWN_SYMBOL", "does not trade there"),
        ("kraken:BTC-241227-60000-C", 1, "NOT_AVAILABLE", "is an option, and options are not modelled"),
    ],
)
def test_what_the_venue_does_not_list_is_one_line(folder, symbol, code, name, says):
    said = answered(
        folder,
        "run",
        "strategies/market_maker.py",
        "--live",
        "--account",
        "main",
        "--seconds",
        3,
        "--param",
        f"symbol={symbol}",
        code=code,
    )
    assert said["error"]["name"] == name
    assert said["error"]["message"].startswith(f"{symbol} {says}")


def test_a_sub_account_that_is_not_there_is_one_line(folder):
    said = answered(
        folder,
        "run",
        "strategies/market_maker.py",
        "--live",
        "--account",
        "main",
        "--seconds",
        3,
        "--subaccount",
        "nix",
        code=2,
    )
    assert said["error"]["name"] == "UNKNOWN_SUBACCOUNT"
    assert said["error"]["message"].startswith("account main has no sub-account 'nix'")


BOOKS = """
from onetape import Strategy

class Books(Strategy):
    symbol: str = "kraken:BTC/USD"

    def on_start(self):
        self.subscribe(self.symbol, book=True)

    def on_book(self, book):
        if book.synced and not self.orders(self.symbol):
            price = book.bids(5)[-1][0]
            self.buy(self.symbol, 0.01, price, post_only=True)
"""


def test_a_strategy_on_the_book_is_called_live_and_is_repeated(folder):
    (folder / "books.py").write_text(BOOKS)
    reported = traded(folder, "books.py:Books")
    second = answered(folder, "replay", reported["run"], "--verify")
    assert second["divergences"] == 0
