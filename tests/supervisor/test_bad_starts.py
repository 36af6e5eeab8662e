"""What is wrong with a start, said in one line before anything trades: by `run --live` and by
`doctor`, with the exit code of its kind. One simulated exchange of each kind serves all rows."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import socketserver
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.cli.main import run
from onetape.exchange.faults import parse_faults
from onetape.exchange.faulty import Faulty

SECOND = 1_000_000_000
STRATEGY = """
from onetape import Strategy

class Idle(Strategy):
    symbol: str = "{symbol}"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
"""
KINDS = {"binance-usdm": "binance:BTC/USDT:USDT", "kraken": "kraken:BTC/USD"}


@pytest.fixture(scope="module")
def exchanges():
    """By kind: (what it is behind its faults, port)."""
    with served("binance-usdm", faults="# none yet") as binance, served("kraken", faults="# none yet") as kraken:
        yield {"binance-usdm": binance, "kraken": kraken}


@pytest.fixture(scope="module")
def stranger():
    """A web server that is no exchange: its port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>It works</h1>")

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def plain():
    """A port that speaks at once, and no TLS."""

    class Refusal(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            self.request.recv(65536)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Bench:
    """A folder with a configuration that is right, to be made wrong in one place."""

    def __init__(self, folder: Path, exchanges: dict, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self.dialect, self.port = exchanges[kind]
        self.account = self.dialect.exchange.accounts[0]
        self.exchanges = exchanges
        self.venue = {"kind": kind, "rest": f"http://127.0.0.1:{self.port}"}
        self.keys = {"key": "env:BENCH_KEY", "secret": "env:BENCH_SECRET"}
        self.environ = {"BENCH_KEY": self.account.key, "BENCH_SECRET": self.account.secret}
        self.symbol = KINDS[kind]

    def write(self) -> None:
        def table(name: str, values: dict) -> str:
            return f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())

        robot = {"strategy": "idle.py:Idle", "account": "main"}
        account = {"venue": "v", **self.keys, "symbols": [], "position_max": {}, "order_max": {}, "order_value_max": {}}
        text = table("venues.v", self.venue)
        text += table("accounts.main", {**account, "price_band": 0, "orders_per_second": 0})
        text += table("guardian", {"enabled": False}) + table("guardian.halts", {"day": ""})
        text += table("robots.r", robot) + f'params = {{ symbol = "{self.symbol}" }}\n'
        (self.folder / "onetape.toml").write_text(text)
        (self.folder / "idle.py").write_text(STRATEGY.format(symbol=self.symbol))

    def fault(self, text: str) -> None:
        self.dialect.add(parse_faults(text), self.dialect.exchange.now)


# --- what goes wrong: each makes one thing wrong, and may give back what mends the exchange -------


def wrong_key(b: Bench) -> None:
    b.environ["BENCH_KEY"] = "A" * len(b.account.key)


def wrong_secret(b: Bench) -> None:
    b.environ["BENCH_SECRET"] = b.dialect.exchange.accounts[1].secret


def no_key(b: Bench) -> None:
    del b.keys["key"]


def no_variable(b: Bench) -> None:
    del b.environ["BENCH_SECRET"]


def open_file(b: Bench) -> None:
    (b.folder / "secret").write_text(b.account.secret)
    (b.folder / "secret").chmod(0o644)
    b.keys["secret"] = "file:secret"


def no_base64(b: Bench) -> None:
    b.environ["BENCH_SECRET"] = "this is no base64!"


def may(b: Bench, **rights: bool):
    """The account's first key may other things, until the row is over."""
    exchange, account = b.dialect.exchange, b.account
    before = {name: getattr(account, name) for name in rights}
    for name, value in rights.items():
        setattr(account, name, value)
    exchange.accounts.change_key(account.key, **rights)

    def mend() -> None:
        for name, value in before.items():
            setattr(account, name, value)
        exchange.accounts.change_key(account.key, **before)

    return mend


def read_only(b: Bench):
    return may(b, can_trade=False)


def withdraws(b: Bench):
    return may(b, can_withdraw=True)


def hedge(b: Bench):
    b.account.set_hedge(True)
    return lambda: b.account.set_hedge(False)


def clock_off(b: Bench):
    b.dialect.skew = 180 * SECOND
    return lambda: setattr(b.dialect, "skew", 0)


def clock_back(b: Bench):
    b.dialect.skew = -3600 * SECOND
    return lambda: setattr(b.dialect, "skew", 0)


def refuses(b: Bench, error: str):
    b.fault(f'[[fault]]\npath="*/GetApiKeyInfo"\naction="error"\nerror="{error}"\n')
    return lambda: b.dialect.clear(b.dialect.exchange.now)


def locked_out(b: Bench):
    b.fault('[[fault]]\npath="*/GetApiKeyInfo"\naction="error"\nerror="EGeneral:Temporary lockout"\n')
    return lambda: b.dialect.clear(b.dialect.exchange.now)


def not_permitted(b: Bench):
    b.fault('[[fault]]\npath="*/GetApiKeyInfo"\naction="error"\nerror="EGeneral:Permission denied"\n')
    return lambda: b.dialect.clear(b.dialect.exchange.now)


def other_port(b: Bench):
    """The key is bound to other addresses: so says the venue, and adds ours."""
    body = json.dumps({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action, request ip: 203.0.113.9"})
    b.fault(f'[[fault]]\npath="/*api/v1/account*"\naction="error"\nstatus=401\ndone=false\nbody={json.dumps(body)}\n')
    return lambda: b.dialect.clear(b.dialect.exchange.now)


def bound(b: Bench):
    """To an address that is not ours."""
    b.dialect.exchange.accounts.change_key(b.account.key, addresses=["203.0.113.9"])
    return lambda: b.dialect.exchange.accounts.change_key(b.account.key, addresses=[])


def multi_assets(b: Bench):
    body = json.dumps(
        {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": False,
            "dualSidePosition": False,
            "updateTime": 0,
            "multiAssetsMargin": True,
            "tradeGroupId": -1,
        }
    )
    b.fault(
        f'[[fault]]\npath="/fapi/v1/accountConfig"\naction="error"\nstatus=200\ndone=false\nbody={json.dumps(body)}\n'
    )
    return lambda: b.dialect.clear(b.dialect.exchange.now)


def portfolio(b: Bench):
    body = json.dumps(
        {
            "ipRestrict": True,
            "enableReading": True,
            "enableFutures": True,
            "enableWithdrawals": False,
            "enablePortfolioMarginTrading": True,
        }
    )
    b.fault(
        '[[fault]]\npath="/sapi/v1/account/apiRestrictions"\naction="error"\nstatus=200\n'
        f"done=false\nbody={json.dumps(body)}\n"
    )
    return lambda: b.dialect.clear(b.dialect.exchange.now)


def unknown_symbol(b: Bench) -> None:
    b.symbol = b.symbol.replace("BTC/", "NIX/")


def an_option(b: Bench) -> None:
    b.symbol = f"{b.symbol.partition(':')[0]}:BTC-241227-60000-C"


def nobody(b: Bench) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        b.venue["rest"] = f"http://127.0.0.1:{free.getsockname()[1]}"


def other_exchange(b: Bench) -> None:
    other = "kraken" if b.kind == "binance-usdm" else "binance-usdm"
    b.venue["rest"] = f"http://127.0.0.1:{b.exchanges[other][1]}"


def no_address(b: Bench) -> None:
    b.venue["rest"] = "127.0.0.1:9001"


def no_tls(b: Bench) -> None: ...  # the ports of these two are filled in


def in_the_open(b: Bench) -> None:
    b.venue |= {"mode": "demo", "rest": "http://exchange.example:80"}


def a_page(b: Bench) -> None: ...


def closed(b: Bench) -> None:
    b.venue |= {"kind": "bitmex", "mode": "live"}
    b.symbol = "bitmex:BTC/USD:BTC"


def no_demo(b: Bench) -> None:
    del b.venue["rest"]
    b.venue["mode"] = "demo"


def no_account_id(b: Bench) -> None:
    del b.venue["rest"]
    b.venue["mode"] = "live"


def real_host_in_sim(b: Bench) -> None:
    b.venue["rest"] = "https://fapi.binance.com"


def real_stream_in_sim(b: Bench) -> None:
    b.venue["ws"] = "wss://fstream.binance.com"


def live_host_in_demo(b: Bench) -> None:
    b.venue |= {"mode": "demo", "rest": "https://fapi.binance.com"}


def any_host_in_live(b: Bench) -> None:
    b.venue |= {"mode": "live", "live_account": "x", "rest": "https://exchange.example"}


def this_machine_in_live(b: Bench) -> None:
    b.venue |= {"mode": "live", "live_account": "x"}


def a_user_that_looks_like_a_host(b: Bench) -> None:
    b.environ["BENCH_PASSWORD"] = "behind-the-name-and-hidden"
    b.venue |= {
        "mode": "live",
        "live_account": "x",
        "rest": f"https://fapi.binance.com:{b.environ['BENCH_PASSWORD']}@evil.example",
    }


def another_port_in_live(b: Bench) -> None:
    b.venue |= {"mode": "live", "live_account": "x", "rest": "https://fapi.binance.com:8443"}


def other_wallet(b: Bench) -> None:
    b.venue |= {
        "mode": "live",
        "live_account": "x",
        "rest": "https://fapi.binance.com",
        "rest_wallet": "https://wallet.example",
    }


def remote_in_sim(b: Bench) -> None:
    b.venue["rest"] = "http://192.0.2.7:9001"


BINANCE, KRAKEN = "binance-usdm", "kraken"
ROWS = [
    (BINANCE, wrong_key, 5, "PERMISSION_DENIED(3001)", "wrong key, address not allowed, or no ri"),
    (BINANCE, wrong_secret, 5, "BAD_SIGNATURE(4405)", "wrong secret"),
    (BINANCE, read_only, 5, "PERMISSION_DENIED(3001)", "may read but not trade"),
    (BINANCE, withdraws, 5, "PERMISSION_DENIED(3001)", "may withdraw money"),
    (BINANCE, other_port, 5, "PERMISSION_DENIED(3001)", "address not allowed (203.0.113.9)"),
    (BINANCE, bound, 5, "PERMISSION_DENIED(3001)", "wrong key, address not allowed, or no right"),
    (BINANCE, hedge, 5, "ACCOUNT_MODE(4308)", "the account is in hedge mode"),
    (BINANCE, multi_assets, 5, "ACCOUNT_MODE(4308)", "multi-assets mode"),
    (BINANCE, portfolio, 5, "ACCOUNT_MODE(4308)", "portfolio margin"),
    (BINANCE, clock_off, 1, "CLOCK_SKEW(4404)", "s behind the venue's"),
    (BINANCE, unknown_symbol, 3, "UNKNOWN_SYMBOL(4503)", "binance:NIX/USDT:USDT does not trade"),
    (BINANCE, an_option, 1, "NOT_AVAILABLE(4601)", "binance:BTC-241227-60000-C is an option, and options are not"),
    (BINANCE, no_key, 2, "BAD_CONFIG(4602)", "the account has no key, [accounts.main]"),
    (BINANCE, no_variable, 2, "BAD_CONFIG(4602)", "environment variable BENCH_SECRET is not set"),
    (BINANCE, open_file, 5, "PERMISSION_DENIED(3001)", "others may read this secret (mode 0644)"),
    (BINANCE, nobody, 6, "VENUE_UNAVAILABLE(4402)", "nobody listens there"),
    (BINANCE, a_page, 6, "VENUE_UNAVAILABLE(4402)", "no exchange of the kind binance-usdm answers"),
    (BINANCE, other_exchange, 6, "VENUE_UNAVAILABLE(4402)", "no exchange of the kind binance-us"),
    (BINANCE, no_address, 2, "BAD_CONFIG(4602)", "not the address of an exchange"),
    (BINANCE, no_tls, 6, "VENUE_UNAVAILABLE(4402)", "it does not speak TLS"),
    (BINANCE, in_the_open, 2, "BAD_CONFIG(4602)", "exchange.example is no demo host of binance-us"),
    (BINANCE, real_host_in_sim, 2, "BAD_CONFIG(4602)", "fapi.binance.com is not this machine"),
    (BINANCE, real_stream_in_sim, 2, "BAD_CONFIG(4602)", "fstream.binance.com is not this machine"),
    (BINANCE, remote_in_sim, 2, "BAD_CONFIG(4602)", "192.0.2.7 is not this machine"),
    (BINANCE, live_host_in_demo, 2, "BAD_CONFIG(4602)", "fapi.binance.com is no demo host"),
    (BINANCE, any_host_in_live, 2, "BAD_CONFIG(4602)", "exchange.example is no live host"),
    (BINANCE, this_machine_in_live, 2, "BAD_CONFIG(4602)", "127.0.0.1 is no live host"),
    (BINANCE, a_user_that_looks_like_a_host, 2, "BAD_CONFIG(4602)", "a secret in the open"),
    (BINANCE, another_port_in_live, 2, "BAD_CONFIG(4602)", "only with TLS on port 443"),
    (BINANCE, other_wallet, 2, "BAD_CONFIG(4602)", "wallet.example is no live host"),
    (BINANCE, no_account_id, 2, "BAD_CONFIG(4602)", "live trading needs the id of the account"),
    (BINANCE, closed, 6, "VENUE_CLOSED(4407)", "BitMEX closed on 23 September 2026"),
    (KRAKEN, wrong_key, 5, "BAD_SIGNATURE(4405)", "wrong key"),
    (KRAKEN, wrong_secret, 5, "BAD_SIGNATURE(4405)", "wrong secret"),
    (KRAKEN, no_base64, 2, "BAD_CONFIG(4602)", "not base64"),
    (KRAKEN, read_only, 5, "PERMISSION_DENIED(3001)", "may read but not trade"),
    (KRAKEN, withdraws, 5, "PERMISSION_DENIED(3001)", "may withdraw money"),
    (KRAKEN, not_permitted, 5, "PERMISSION_DENIED(3001)", "may not query its account"),
    (KRAKEN, locked_out, 5, "VENUE_RATE_LIMIT(4403)", "makes this address wait"),
    (KRAKEN, clock_back, 1, "CLOCK_SKEW(4404)", "s ahead of the venue's"),
    (KRAKEN, unknown_symbol, 3, "UNKNOWN_SYMBOL(4503)", "kraken:NIX/USD does not trade there"),
    (KRAKEN, other_exchange, 6, "VENUE_UNAVAILABLE(4402)", "no exchange of the kind kraken"),
    (KRAKEN, no_demo, 2, "BAD_CONFIG(4602)", "kraken has no demo mode"),
]


@contextmanager
def started(bench: Bench, monkeypatch):
    """In its folder, with its environment; signals as they were afterwards."""
    bench.write()
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.chdir(bench.folder)
    for name in [n for n in os.environ if n.startswith(("ONETAPE_", "BENCH_"))]:
        monkeypatch.delenv(name)
    for name, value in bench.environ.items():
        monkeypatch.setenv(name, value)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(("kind", "spoil", "code", "name", "text"), ROWS, ids=[f"{r[0]}-{r[1].__name__}" for r in ROWS])
def test_what_is_wrong_is_one_line_before_anything_trades(
    kind, spoil, code, name, text, exchanges, stranger, plain, tmp_path, monkeypatch, capfd
):
    bench = Bench(tmp_path, exchanges, kind)
    mend = spoil(bench)
    if spoil is a_page:
        bench.venue["rest"] = f"http://127.0.0.1:{stranger}"
    if spoil is no_tls:
        bench.venue["rest"] = f"https://127.0.0.1:{plain}"
    hidden = [bench.account.key, bench.account.secret, *bench.environ.values()]
    try:
        with started(bench, monkeypatch):
            ended = run(["run", "idle.py", "--live", "--seconds", "1"])
            answer = capfd.readouterr()
            looked = run(["doctor", "--json", "--listen", "0"])
            examined = json.loads(capfd.readouterr().out)
    finally:
        if mend is not None:
            mend()
    (line,) = answer.err.strip().splitlines()
    assert line.startswith(f"error {name}: ")
    assert text in line
    assert (ended, looked) == (code, code)
    assert not (tmp_path / ".onetape" / "journal").exists()  # no gateway was started
    errors = [f for f in examined["findings"] if f["state"] == "error"]
    assert [f"{f['error']}({f['code']})" for f in errors if f["error"]][:1] == [name]
    assert text.partition(", [")[0] in errors[0]["text"]
    said = answer.out + answer.err + json.dumps(examined)
    assert [each for each in hidden if len(each) > 20 and each in said] == []


def test_what_is_allowed_by_the_configuration_is_no_longer_wrong(exchanges, tmp_path, monkeypatch, capfd):
    bench = Bench(tmp_path, exchanges, BINANCE)
    mends = [withdraws(bench), hedge(bench)]
    bench.keys |= {"allow_withdraw": True, "position_mode": "hedge"}
    try:
        with started(bench, monkeypatch):
            assert run(["doctor", "--json", "--listen", "0"]) == 0
    finally:
        for mend in mends:
            mend()
    findings = json.loads(capfd.readouterr().out)["findings"]
    found = [f["text"] for f in findings]
    assert "the key may trade, may withdraw; hedge mode" in found
    assert any("answers, clock" in each for each in found)


def test_an_accounts_right_to_withdraw_is_not_its_keys(exchanges, tmp_path, monkeypatch, capfd):
    """Binance says canWithdraw of nearly every account; the key's rights stand elsewhere."""
    bench = Bench(tmp_path, exchanges, BINANCE)
    body = json.dumps({"ipRestrict": True, "enableFutures": True, "enableWithdrawals": False})
    mend = withdraws(bench)
    bench.fault(
        '[[fault]]\npath="/sapi/v1/account/apiRestrictions"\naction="error"\nstatus=200\n'
        f"done=false\nbody={json.dumps(body)}\n"
    )
    try:
        with started(bench, monkeypatch):
            assert run(["doctor", "--json", "--listen", "0"]) == 0
    finally:
        mend()
        bench.dialect.clear(bench.dialect.exchange.now)
    findings = json.loads(capfd.readouterr().out)["findings"]
    found = {f["subject"]: f["text"] for f in findings}
    assert found["account main"] == "the key may trade, may not withdraw; one-way"


def test_a_venue_that_has_closed_is_traded_on_in_its_simulation(exchanges, tmp_path, monkeypatch, capfd):
    bench = Bench(tmp_path, exchanges, BINANCE)
    bench.venue, bench.symbol = {"kind": "bitmex"}, "bitmex:BTC/USD:BTC"
    with started(bench, monkeypatch):
        assert run(["run", "idle.py", "--live", "--seconds", "1"]) == 0
        capfd.readouterr()
        assert run(["doctor", "--json"]) == 0
    findings = json.loads(capfd.readouterr().out)["findings"]
    (reported,) = [f for f in findings if f["subject"] == "venue v"]
    assert (reported["state"], reported["text"]) == ("ok", "bitmex, simulated, started by `up`")


def test_a_wrong_key_is_tried_once(exchanges, tmp_path, monkeypatch, capfd):
    """Venues lock out who tries again and again."""
    bench = Bench(tmp_path, exchanges, KRAKEN)
    dialect = bench.dialect
    assert isinstance(dialect, Faulty)
    before = len([r for r in dialect.received if "/private/" in r.path])
    wrong_key(bench)
    with started(bench, monkeypatch):
        assert run(["run", "idle.py", "--live", "--seconds", "1"]) == 5
    assert len([r for r in dialect.received if "/private/" in r.path]) == before + 1
    assert capfd.readouterr().err.count("\n") == 1
