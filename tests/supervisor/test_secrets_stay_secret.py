"""Whatever a session does, no secret is found anywhere afterwards: a live run with planted keys at
an exchange that repeats them in its errors, looked at while it runs and when it is over."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.cli.main import run
from onetape.exchange.faults import parse_faults
from onetape.ipc.local_socket import connect
from onetape.model.home import gateway_journal
from onetape.options.gateway import gateway_socket
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import TRADED

STRATEGY = """
from onetape import Strategy

class Busy(Strategy):
    symbol: str = "{symbol}"
    sent: int = 0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if self.sent < 3:
            self.sent += 1
            self.buy(self.symbol, 0.01, quote.bid * 0.9)
"""
PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"
)


def forms(secret: str) -> list[bytes]:
    """As it is, and as it would look behind the usual encodings."""
    pieces = [secret.encode(), secret.strip().encode()]
    if secret.startswith("-----"):
        pieces.append(secret.splitlines()[1].encode())
    with contextlib.suppress(binascii.Error):
        pieces.append(base64.b64decode(secret, validate=True))
    found = set()
    for piece in pieces:
        found |= {piece, piece.hex().encode(), base64.b64encode(piece).rstrip(b"=")}
        found.add(json.dumps(piece.decode("latin-1"))[1:-1].encode())
    return [each for each in found if len(each) > 16]


def processes(of: int) -> list[int]:
    """A process and all below it."""
    found, at = [of], 0
    while at < len(found):
        for task in Path(f"/proc/{found[at]}/task").glob("*/children"):
            found += [int(each) for each in task.read_text().split()]
        at += 1
    return found


def places(folder: Path, keep: set[str]) -> dict[str, bytes]:
    """Every file below, but those that the secrets were put in."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in keep
    }


def leaks(texts: dict[str, bytes], secrets: list[str]) -> list[str]:
    return [
        f"{location}: {form[:6]!r}..."
        for location, data in texts.items()
        for secret in secrets
        for form in forms(secret)
        if form in data
    ]


def answer_to(path: Path, line: str) -> bytes:
    with connect(path, timeout_s=PATIENCE_S) as client:
        client.sendall(line.encode() + b"\n")
        return client.makefile("rb").readline()


def echo(kind: str, *secrets: str) -> str:
    """A refusal of an order that repeats what it should not."""
    text = "no order for " + " or ".join(json.dumps(each)[1:-1] for each in secrets)
    if kind == "kraken":
        body, status = json.dumps({"error": [f"EOrder:Invalid price:{text}"]}), 200
    else:
        body, status = json.dumps({"code": -2010, "msg": text}), 400
    return f'[[fault]]\npurpose="place"\naction="error"\nstatus={status}\ndone=false\nbody={json.dumps(body)}\n'


def clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}


@pytest.fixture(scope="module")
def exchanges():
    """By kind: (what it is behind its faults, port)."""
    with (
        served("binance-usdm", limits=False, faults="# by and by") as binance,
        served("kraken", limits=False, faults="# by and by") as kraken,
    ):
        yield {"binance-usdm": binance, "kraken": kraken}


@contextlib.contextmanager
def faulty(dialect, rules: str):
    """While the block runs."""
    dialect.add(parse_faults(rules), dialect.exchange.now)
    try:
        yield
    finally:
        dialect.clear(dialect.exchange.now)


@pytest.mark.parametrize(
    ("kind", "form", "entry"),
    [
        ("binance-usdm", "hmac", "rest"),
        ("binance-usdm", "ed25519", "socket"),
        ("kraken", "hmac", "rest"),
        ("kraken", "hmac", "socket"),
    ],
)
def test_a_live_session_leaves_no_trace_of_its_keys(kind, form, entry, exchanges, tmp_path):
    home = tmp_path / ".onetape"
    dialect, port = exchanges[kind]
    first = dialect.exchange.accounts[0]
    account = next(k for k in dialect.exchange.accounts.keys.values() if k.kind == form and k.account is first)
    hidden = [account.key, account.secret]
    (tmp_path / "key").write_text(account.key)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "busy.py").write_text(STRATEGY.format(symbol=TRADED[kind][0]))
    (tmp_path / "onetape.toml").write_text(
        f'[venues.v]\nkind = "{kind}"\nrest = "http://127.0.0.1:{port}"\n'
        '[accounts.main]\nvenue = "v"\nkey = "file:key"\nsecret = "env:PLANTED"\n'
        f'order_entry = "{entry}"\n'
    )
    received: dict[str, bytes] = {}
    with faulty(dialect, echo(kind, *hidden)):
        live = subprocess.Popen(
            [sys.executable, "-m", "onetape", "run", "busy.py", "--live", "--debug"],
            cwd=tmp_path,
            env={**clean(), "PLANTED": account.secret},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            path = gateway_socket(home, "main")  # it is there once the journal is
            wait_for(lambda: path.exists() or live.poll() is not None)
            # Faults of requests are REST's: by a socket the orders are taken.
            wait_for(lambda: max(_refused(home), len(first.open_orders)) >= 3 or live.poll() is not None)
            mine = processes(live.pid)
            assert len(mine) >= 2  # the gateway is one of its own
            for pid in mine:
                received[f"cmdline of {pid}"] = Path(f"/proc/{pid}/cmdline").read_bytes()
                # What its user put into its environment is there; below it, it is not.
                # A process that holds keys shows itself to root alone.
                if pid != live.pid and os.access(f"/proc/{pid}/environ", os.R_OK):
                    received[f"environ of {pid}"] = Path(f"/proc/{pid}/environ").read_bytes()
            for line in ('{"do":"status"}', '{"do":"nonsense"}', "no JSON", '{"do":"attach"}'):
                received[f"answer to {line}"] = answer_to(path, line)
        finally:
            live.send_signal(signal.SIGINT)
            received["stdout"], received["stderr"] = live.communicate(timeout=PATIENCE_S)
    inner = dialect.inner
    passing = list(inner.tokens._tokens if kind == "kraken" else inner.streams.by_account.values())
    assert passing
    received |= places(tmp_path, {"key"})
    journals = [name for name in received if name.endswith(".tape")]
    assert len(journals) >= 2
    assert any(b"no order for ***" in received[name] for name in journals)
    assert leaks(received, [*hidden, *passing]) == []


def _refused(home: Path) -> int:
    path = gateway_journal(home, "main")
    if not path.is_dir():
        return 0
    with JournalReader(path) as reader:
        return sum(b"no order for" in frame.payload for frame in reader.frames())


@pytest.mark.parametrize(
    ("kind", "secret", "code"),
    [
        ("binance-usdm", "NotTheSecretNotTheSecretNotTheSecretNotTheSecretNotTheSecret1234", 5),
        ("binance-usdm", PEM, 5),
        ("binance-usdm", PEM.replace("MC4CAQAw", "XXXXXXXX"), 2),
        ("kraken", base64.b64encode(bytes(range(100, 164))).decode(), 5),
        ("kraken", "not base64 at all, and still a secret!", 2),
    ],
)
def test_a_secret_that_is_wrong_is_not_shown_either(kind, secret, code, exchanges, tmp_path, monkeypatch, capfd):
    dialect, port = exchanges[kind]
    key = dialect.exchange.accounts[0].key
    text = f"{key} {secret}"
    body = json.dumps({"code": -1022, "msg": text, "error": [f"EX:{text}"]})
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "busy.py").write_text(STRATEGY.format(symbol=TRADED[kind][0]))
    (tmp_path / "onetape.toml").write_text(
        f'[venues.v]\nkind = "{kind}"\nrest = "http://127.0.0.1:{port}"\n'
        '[accounts.main]\nvenue = "v"\nkey = "env:PLANTED"\nsecret = "file:secret"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANTED", key)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    rules = (
        '[[fault]]\npath="*/acc*"\naction="error"\nstatus=400\ndone=false\n'
        f"body={json.dumps(body)}\n"
        '[[fault]]\npath="*/GetApiKeyInfo"\naction="error"\nstatus=200\ndone=false\n'
        f"body={json.dumps(body)}\n"
    )
    try:
        with faulty(dialect, rules):
            assert run(["run", "busy.py", "--live", "--debug"]) == code
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    said = capfd.readouterr()
    assert "error " in said.err
    reported = places(tmp_path, {"secret"}) | {"out": said.out.encode(), "err": said.err.encode()}
    assert leaks(reported, [key, secret]) == []
