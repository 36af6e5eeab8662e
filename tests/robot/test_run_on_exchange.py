"""`onetape run --live --exchange URL` as its users do it: `onetape sim` in one process, a run in
another, and nothing written between them."""

from __future__ import annotations

import http.server
import json
import shutil
import signal
import socket
import threading
import time
from decimal import Decimal
from itertools import product
from pathlib import Path
from subprocess import PIPE
from uuid import uuid4

import msgspec
import pytest

import copied_process
from copied_process import ONETAPE, Copied
from exchange.venue_client import Wire
from onetape.engine.plan import read_plan
from onetape.model.home import gateway_journal
from onetape.model.money import money
from onetape.model.sections import AccountConfig, Config
from onetape.projections.account_balances import balances
from onetape.projections.account_views import fills, orders, positions
from onetape.robot.live import simulated_exchange
from onetape.tape.journal import JournalReader
from worlds.command_lines import CLEAN
from worlds.gateway_process import TRADED
from worlds.ports import free_port

KINDS = ("binance-usdm", "kraken")
TAKES = """
from onetape import Strategy

class Takes(Strategy):
    symbol: str = ""
    size: float = 0.01

    def on_start(self):
        self.done = 0
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if self.orders(self.symbol):
            return
        self.done += 1
        if self.done == 1:
            self.buy(self.symbol, 2 * self.size)
        elif self.done == 2:
            self.sell(self.symbol, self.size)
        elif self.done == 3:
            self.buy(self.symbol, self.size, quote.bid * 0.99)  # rests until the run ends
"""


class Sim:
    """`onetape sim` as a process."""

    def __init__(self, home: Path, kind: str, *words: object, port: int = 0) -> None:
        home.parent.mkdir(exist_ok=True)
        self.home, self.log = home, home.with_name(f"{home.name}.log")
        with self.log.open("ab") as errors:
            self.process = Copied(
                ONETAPE,
                "sim",
                kind,
                "--home",
                home,
                "--port",
                port or free_port(),
                "--control",
                0,
                *words,
                stdout=PIPE,
                stderr=errors,
                env=CLEAN,
            )
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.ready = json.loads(line)
        self.rest = self.ready["rest"]
        self.port = int(self.rest.rpartition(":")[2])

    def account(self, name: str = "main") -> dict:
        """As the exchange's own core has it."""
        control = Wire(int(self.ready["control"].rpartition(":")[2]))
        (found,) = control.request("GET", f"/state?account={name}", b"", {})[1]["accounts"]
        return found

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture
def sims():
    """Starts exchanges, and ends those that still run."""
    begun: list[Sim] = []

    def start(*words: object, **options: int) -> Sim:
        begun.append(Sim(*words, **options))
        return begun[-1]

    yield start
    for each in begun:
        each.stop()


def run(folder: Path, home: Path, address: str, *words: object):
    (folder / "takes.py").write_text(TAKES)
    return copied_process.run(
        "run", "takes.py", "--live", "--exchange", address, "--home", home, "--json", *words, cwd=folder, env=CLEAN
    )


def traded(folder: Path, sim: Sim, *words: object, robots: int = 1, account: str = "main") -> list:
    """What so many runs at once say, ended by Ctrl-C when each has bought and sold."""
    (folder / "takes.py").write_text(TAKES)
    size = 100 if sim.ready["venue"] == "bitmex" else 0.01
    runs = [
        Copied(
            ONETAPE, "run", "takes.py", "--live", "--exchange", sim.rest, "--home", sim.home,
            "--json", "--param", f"symbol={TRADED[sim.ready['venue']][0]}", "--param", f"size={size}",
            "--out", uuid4().hex, *words, cwd=folder, env=CLEAN, stdout=PIPE, stderr=PIPE, text=True,
        )
        for _ in range(robots)
    ]  # fmt: skip
    until = time.monotonic() + copied_process.WITHIN_S
    while sum(order["open"] for order in sim.account(account)["orders"]) < robots:
        ended = [each for each in runs if each.poll() is not None]
        assert not ended, ended[0].communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
    for each in runs:
        each.send_signal(signal.SIGINT)
    said = [each.communicate(timeout=copied_process.WITHIN_S) for each in runs]
    assert [each.returncode for each in runs] == [0] * robots, said
    received = [json.loads(out) for out, _ in said]
    assert [each["orders"] for each in received] == [3] * robots
    return received


def accounts(home: Path) -> list[str]:
    return sorted(p.name.removeprefix("gateway-") for p in (home / "journal").glob("gateway-*"))


def words_of(home: Path, account: str, *names: str) -> list[dict]:
    with JournalReader(gateway_journal(home, account)) as reader:
        return [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(names)]


def step_of(there: dict) -> Decimal:
    """A venue tells eight decimals, of each fill."""
    return Decimal(len(there["trades"])).scaleb(-8)


def assert_books_agree(sim: Sim, account: str) -> dict:
    """What this home has booked is what the exchange has; gives that."""
    there = sim.account()
    config = Config(accounts={account: AccountConfig(venue="v")})
    booked = {row["currency"]: Decimal(row["total"]) for row in balances(sim.home, config)}
    for currency, amount in there["balances"].items():
        assert abs(booked[currency] - Decimal(amount)) <= step_of(there), currency
    held = {row["symbol"]: Decimal(row["qty"]) for row in positions(sim.home, config)}
    if sim.ready["venue"] != "kraken":  # which has balances alone
        assert {s: q for s, q in held.items() if q} == {
            each["symbol"]: Decimal(each["size"]) for each in there["positions"]
        }
    assert orders(sim.home, config) == [order for order in there["orders"] if order["open"]] == []
    assert len(fills(sim.home, config)) == len(there["trades"])
    said = words_of(sim.home, account, "health")
    reconciled = [each["state"] for each in said if each["kind"] == "reconciled"]
    assert set(reconciled) == {"0 differences"}
    assert words_of(sim.home, account, "alert") == []
    return there


@pytest.mark.parametrize(("kind", "single"), [("bitmex", ()), *product(KINDS, [(), ("--single",)])])
def test_runs_trade_on_an_exchange_beside_them_and_the_books_agree(tmp_path, sims, kind, single):
    sim = sims(tmp_path / "home", kind)
    before = sim.account()
    (first,) = traded(tmp_path, sim, *single)
    (account,) = accounts(sim.home)
    between = assert_books_agree(sim, account)
    assert between["balances"] != before["balances"]
    assert len(between["trades"]) == first["fills"] >= 2

    (second,) = traded(tmp_path, sim, *single)
    assert accounts(sim.home) == [account]  # the same books go on
    after = assert_books_agree(sim, account)
    assert len(after["trades"]) == len(between["trades"]) + second["fills"]
    begun_with, _ = read_plan(Path(second["run"]))
    assert begun_with.cash
    for currency, amount in begun_with.cash.items():
        assert abs(amount - Decimal(between["balances"][currency])) <= step_of(after), currency
    corrected = [
        abs(money(amount))
        for entry in words_of(sim.home, account, "entry")
        if entry["cause"] == "correction"
        for _, _, amount, _ in entry["legs"]
    ]
    assert sum(corrected) <= step_of(after)  # what was summed more finely than it is told
    for reported in (first, second):
        done = copied_process.run("replay", reported["run"], "--verify", "--json", env=CLEAN)
        assert json.loads(done.stdout)["divergences"] == 0


def test_two_runs_at_once_share_the_account(tmp_path, sims):
    sim = sims(tmp_path / "home", "kraken")
    reported = traded(tmp_path, sim, robots=2)
    (account,) = accounts(sim.home)
    there = assert_books_agree(sim, account)
    assert sum(each["fills"] for each in reported) == len(there["trades"]) > 0


def test_another_exchange_at_the_address_has_books_of_its_own(tmp_path, sims):
    """One that comes back from its state is the same."""
    home, state = tmp_path / "home", ("--state", tmp_path / "state")
    kept = sims(home, "binance-usdm", *state)
    traded(tmp_path, kept)
    (name,) = accounts(home)
    kept.stop(signal.SIGKILL)
    other = sims(home, "binance-usdm", port=kept.port)
    traded(tmp_path, other)
    (mine,) = set(accounts(home)) - {name}
    assert_books_agree(other, mine)
    other.stop()
    second = sims(home, "binance-usdm", *state, port=kept.port)
    (reported,) = traded(tmp_path, second)
    assert accounts(home) == sorted([name, mine])
    there = assert_books_agree(second, name)
    assert len(there["trades"]) > reported["fills"]


def test_a_second_account_of_the_exchange_is_chosen_by_name(tmp_path, sims):
    sim = sims(tmp_path / "home", "kraken")
    name = sim.ready["accounts"][1]["name"]
    traded(tmp_path, sim, "--account", name, account=name)
    assert [each.rpartition("-")[0] for each in accounts(sim.home)] == [name]
    assert sim.account()["trades"] == []


def test_no_key_leaves_the_file_that_the_exchange_left(tmp_path, sims):
    sim = sims(tmp_path / "home", "kraken")
    (left,) = (sim.home / "run").glob("exchange-*")
    assert left.stat().st_mode & 0o777 == 0o600
    (seen,) = traded(tmp_path, sim)
    account = sim.ready["accounts"][0]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != left:
            data = path.read_bytes()
            assert account["key"].encode() not in data, path
            assert account["secret"].encode() not in data, path
    assert not {account["key"], account["secret"]} & set(json.dumps(seen).split('"'))
    sim.stop()
    assert not left.exists()


def test_an_exchange_whose_home_cannot_be_written_serves_all_the_same(tmp_path, sims):
    (tmp_path / "home").touch()
    sim = sims(tmp_path / "home", "kraken")
    assert Wire(sim.port).request("GET", "/0/public/Time", b"", {})[1]["error"] == []
    assert "`run --live --exchange` finds no keys of it" in sim.log.read_text()


def test_a_run_s_own_exchange_is_for_nobody_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with simulated_exchange("kraken", 1) as reported:
        assert reported["venue"] == "kraken"
        assert list(tmp_path.rglob("*")) == []


# --- what cannot be traded on: one line, its number, its exit code ------------------------------


def nobody(sims, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def killed(sims, tmp_path):
    sim = sims(tmp_path / "home", "kraken")
    sim.stop(signal.SIGKILL)
    assert list((sim.home / "run").glob("exchange-*"))
    return sim.rest


def of_another_home(sims, tmp_path):
    return sims(tmp_path / "elsewhere", "kraken").rest


def like_another(sims, tmp_path):
    """Answers what Binance does, too."""
    return sims(tmp_path / "elsewhere", "aster").rest


def came_after_one_that_was_killed(sims, tmp_path):
    """Its keys are the same, since its seed is; what is on its account is not."""
    before = sims(tmp_path / "home", "binance-usdm")
    before.stop(signal.SIGKILL)
    return sims(tmp_path / "elsewhere", "binance-usdm", port=before.port).rest


def without_its_file(sims, tmp_path):
    sim = sims(tmp_path / "home", "binance-usdm")
    shutil.rmtree(sim.home / "run")
    return sim.rest


def open_to_others(sims, tmp_path):
    sim = sims(tmp_path / "home", "kraken")
    next((sim.home / "run").glob("exchange-*")).chmod(0o644)
    return sim.rest


def another_venue(sims, tmp_path):
    return sims(tmp_path / "home", "binance-usdm").rest


def right(sims, tmp_path):
    return sims(tmp_path / "home", "kraken").rest


STRANGERS: list[http.server.ThreadingHTTPServer] = []  # what is no exchange, as long as `stranger` is


def web_server(sims, tmp_path):
    return f"http://127.0.0.1:{STRANGERS[-1].server_port}"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html></html>")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def stranger():
    """May begin more than once: tests of other files come between those of this one."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    STRANGERS.append(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


def address(text: str):
    return lambda _sims, _tmp_path: text


NO_ADDRESS = "not the address of a simulated exchange"
ROWS = [
    (nobody, (), 6, "VENUE_UNAVAILABLE(4402)", "nobody listens there", "start one: onetape sim"),
    (killed, (), 6, "VENUE_UNAVAILABLE(4402)", "nobody listens there", "start one: onetape sim"),
    (web_server, (), 6, "VENUE_UNAVAILABLE(4402)", "no simulated exchange", "one of binance-usdm, "),
    (of_another_home, (), 2, "BAD_CONFIG(4602)", "has no keys of the kraken there", "--home"),
    (like_another, (), 2, "BAD_CONFIG(4602)", "has no keys of the aster there", "onetape sim aster"),
    (came_after_one_that_was_killed, (), 2, "BAD_CONFIG(4602)", "has no keys of the bin", "--home"),
    (without_its_file, (), 2, "BAD_CONFIG(4602)", "has no keys of the binance-usdm", "--home"),
    (open_to_others, (), 5, "PERMISSION_DENIED(3001)", "others may read", "chmod 600"),
    (another_venue, (), 3, "UNKNOWN_SYMBOL(4503)", "kraken:BTC/USD does not trade there", ""),
    (right, ("--account", "nobody"), 2, "BAD_CONFIG(4602)", "no account 'nobody' at", "it has main"),
    (right, ("--hedge",), 5, "ACCOUNT_MODE(4308)", "", ""),
    (address("https://fapi.binance.com"), (), 2, "BAD_CONFIG(4602)", "is not this machine", "toml"),
    (address("http://192.0.2.7:9001"), (), 2, "BAD_CONFIG(4602)", "192.0.2.7 is not this", "toml"),
    (address("http://127.0.0.1.nip.io:9"), (), 2, "BAD_CONFIG(4602)", "is not this machine", ""),
    (address("http://127.0.0.1:9001@x.y"), (), 2, "BAD_CONFIG(4602)", "x.y is not this", ""),
    (address("http://me:hush@127.0.0.1:9"), (), 2, "BAD_CONFIG(4602)", NO_ADDRESS, "sim"),
    (address("ws://127.0.0.1:9001"), (), 2, "BAD_CONFIG(4602)", NO_ADDRESS, "http://127.0.0.1"),
    (address("https://127.0.0.1:9001"), (), 2, "BAD_CONFIG(4602)", NO_ADDRESS, "http://127.0.0.1"),
    (address("http://127.0.0.1"), (), 2, "BAD_CONFIG(4602)", NO_ADDRESS, "http://127.0.0.1:9001"),
    (address("http://127.0.0.1:99999"), (), 2, "BAD_CONFIG(4602)", NO_ADDRESS, ""),
    (address("127.0.0.1:9001"), (), 2, "BAD_CONFIG(4602)", NO_ADDRESS, "http://127.0.0.1:9001"),
    (address(""), (), 2, "BAD_CONFIG(4602)", NO_ADDRESS, "http://127.0.0.1:9001"),
]


@pytest.mark.parametrize(
    ("location", "words", "code", "name", "what", "todo"),
    ROWS,
    ids=[f"{n}-{row[0].__name__.strip('<>')}" for n, row in enumerate(ROWS)],
)
def test_what_cannot_be_traded_on_is_one_line(tmp_path, sims, location, words, code, name, what, todo):
    place = location(sims, tmp_path)
    done = run(tmp_path, tmp_path / "home", place, "--param", "symbol=kraken:BTC/USD", "--seconds", 5, *words)
    error = json.loads(done.stdout)["error"]
    assert f"{error['name']}({error['code']})" == name
    assert done.returncode == code
    assert what in error["message"] and todo in error["message"]
    assert "hush" not in done.stdout + done.stderr
    assert accounts(tmp_path / "home") == []  # no gateway has begun


def test_a_paper_run_has_no_exchange(tmp_path):
    (tmp_path / "takes.py").write_text(TAKES)
    done = copied_process.run(
        "run", "takes.py", "--paper", "--exchange", "http://127.0.0.1:9001", cwd=tmp_path, env=CLEAN
    )
    assert done.returncode == 2
    assert "--exchange" in done.stderr and "--live" in done.stderr
