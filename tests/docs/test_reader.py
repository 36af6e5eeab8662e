"""The reader in docs/reader shares no line with onetape, has the same figures, and finds each changed byte."""

from __future__ import annotations

import ast
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import read_tape
from account_of_tape import WORKING, Account, rounded, size_text
from read_tape import DamageError, Frame, RefusedError, Tape, crc32c

from long_form import long_form
from onetape.cli.main import run
from onetape.model.home import gateway_journal
from onetape.simulation.gateway_life import Home
from onetape.simulation.seeds import KINDS, Seed, one_more_round, play
from onetape.tape.journal import JournalWriter
from onetape.tape.verify import verify
from recorder.recorded_worlds import contents, record_all
from tape.made_tapes import SMALL, make_tape

READER = Path(read_tape.__file__).parent
LINES_MAX = 320


@pytest.mark.parametrize("file", ["read_tape.py", "account_of_tape.py"])
def test_it_is_short_and_needs_python_alone(file):
    text = (READER / file).read_text()
    assert len(text.splitlines()) <= LINES_MAX
    for node in ast.walk(ast.parse(text)):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names | {"read_tape", "account_of_tape"}


def account_of(tape: Path) -> Account:
    account = Account()
    for frame in Tape(tape).frames():
        account.take(frame)
    return account


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [9, *long_form(*range(20, 30))])
def test_its_balances_and_positions_are_the_gateway_s(kind, number):
    """Of the account and of each sub-account: balances to the unit, realized profit as it is shown, to 12 decimals."""
    world = Seed("World", kind, number, 90).begun()
    world.run(90)
    has_the_ledger_s_figures(account_of(gateway_journal(world.home.path, "main")), world.money)


@pytest.mark.parametrize("kind", ["binance-usdm", "bitmex"])
def test_positions_from_before_the_tape_are_the_gateway_s(kind):
    """A gateway that has lost its journal takes them from the venue."""
    world, home = Seed("World", kind, 9, 90).begun(), Home()
    world.run(90)
    world.invariants.out = lambda out: None  # it judges one gateway
    world.life.end()
    world.begin_gateway(home, with_robots=False)
    one_more_round(world)
    account = account_of(gateway_journal(home.path, "main"))
    assert account.positions
    has_the_ledger_s_figures(account, world.money)


def has_the_ledger_s_figures(account, money):
    ledger, booking, found = money.ledger, money.booking, account.rows("main")
    shown = {row["currency"]: row for row in found["accounts"]}
    assert shown.keys() == set(ledger.currencies())
    for currency, row in shown.items():
        assert Decimal(row["total"]).scaleb(18) == ledger.total(currency)
        for part in row["subaccounts"].values():
            pooled = ledger.balance(currency, -9) if part["index"] == 1 else 0
            assert Decimal(part["total"]).scaleb(18) == ledger.balance(currency, part["index"]) + pooled
    assert {key[1:] for key in booking.positions} == account.positions.keys()
    for (slot, symbol, side), held in booking.positions.items():
        assert account.positions[symbol, side].figures(slot) == figures(held), (slot, symbol, side)
    for (symbol, side), held in booking.account.items():
        if not held.terms.is_spot:
            assert account.positions[symbol, side].figures(0) == figures(held), (symbol, side)


def figures(held):
    facts = {"size_decimals": held.terms.instrument.size_decimals}
    entry = rounded(Fraction(held.average), held.terms.average_decimals) if held.qty and held.cost else None
    return {
        "qty": size_text(held.qty, facts),
        "entry_price": entry,
        "realized": rounded(Fraction(held.realized, 10**18), 12),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [4, *long_form(*range(20, 30))])
def test_its_orders_are_the_records(kind, number):
    """All of them, over restarts of the gateway: state, size and filled quantity."""
    world = play(Seed("World", kind, number, 60).begun(), 60)
    records = record_all(world.home.path)
    try:
        rows = contents(records)["record_orders"]
    finally:
        records.close()
    account = account_of(gateway_journal(world.home.path, "main"))
    found = {(row["robot"], row["order_id"]): (row["state"], row["qty"], row["filled"]) for row in rows}
    mine = dict(zip(account.orders, account.rows("main")["orders"], strict=True))
    mine = {key: (row["state"], float(row["qty"]), float(row["filled"])) for key, row in mine.items()}
    assert {key: mine.get(key) for key in found} == found
    # Records have no order that was denied before it was requested.
    assert {mine[key][0] for key in mine.keys() - found.keys() if key[0]} <= {"DENIED"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A gateway's home with sub-accounts, forced closes and working orders, and its configuration."""
    return made_home(tmp_path_factory, "okx")


def made_home(tmp_path_factory, kind):
    folder = tmp_path_factory.mktemp("home")
    world = play(Seed("World", kind, 9, 90).begun(), 90)
    shutil.copytree(world.home.path, folder, dirs_exist_ok=True)
    account = '[accounts.main]\nvenue = "x"\nsubaccounts = { one = 2, two = 3, three = 4 }\n'
    text = f'[venues.x]\nkind = "{kind}"\n{account}'
    (folder / "onetape.toml").write_text(text)
    return folder


def printed(home, folder, capfd):
    files = []
    for verb in ("accounts", "positions", "orders"):
        assert run([verb, "--json", "--home", str(home), "--config", str(home / "onetape.toml")]) == 0
        files.append(folder / f"{verb}.json")
        files[-1].write_text(capfd.readouterr().out)
    return files


def reader(*words):
    command = [sys.executable, READER / "read_tape.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_it_compares_with_what_the_commands_print(home, tmp_path, capfd):
    files, tape = printed(home, tmp_path, capfd), gateway_journal(home, "main")
    code, out, _ = reader(tape, "--compare", *files)
    assert code == 0 and out.startswith("gateway:main: ") and "differs" not in out
    rows = json.loads(files[2].read_text())
    assert {row["state"] for row in rows} <= WORKING and rows
    rows[0]["state"] = "FILLED"
    files[2].write_text(json.dumps(rows[:1]))
    balances = json.loads(files[0].read_text())
    balances[0]["subaccounts"]["one"]["total"] = "1"
    files[0].write_text(json.dumps(balances))
    files[1].write_text("[]")
    code, out, _ = reader(tape, "--json", "--compare", *files)
    assert code == 1
    lines = json.loads(out)["differences"]
    assert lines[0].startswith("accounts BTC subaccounts one total: 0.11") and lines[0].endswith(", 1 by onetape")
    assert sum("positions" in line and "only on the tape" in line for line in lines) == 2
    assert (
        f"orders {rows[0]['robot']} {rows[0]['id']} state: {rows[0]['state']}" not in out
        and f"orders {rows[0]['robot']} {rows[0]['id']} state: " in out
    )
    assert len(lines) == 3 + len(rows)


def test_positions_of_a_stopped_gateway_have_late_fills_where_the_venue_has_them(tmp_path_factory, tmp_path, capfd):
    """As those of a running one; the tape has a fill of a position that came after a later one."""
    home = made_home(tmp_path_factory, "aster")
    code, out, _ = reader(gateway_journal(home, "main"), "--compare", *printed(home, tmp_path, capfd))
    assert code == 0, out


def test_other_tapes_have_a_summary(tmp_path):
    make_tape(tmp_path / "t", 3)
    code, out, _ = reader(tmp_path / "t")
    assert code == 0 and out.startswith("test: 3 quote, 1 instrument; 1970-01-01 00:00:00 to ")
    assert "1 segments, 1 sealed, closed; hash " in out
    files = tmp_path / "orders.json"
    files.write_text("[]")
    assert reader(tmp_path / "t", "--compare", files)[0] == 2


def frames(tape: Path) -> tuple[list[Frame], str]:
    """The frames before the first that is bad, and what is said of it."""
    read, tape = [], Tape(tape)
    try:
        for frame in tape.frames():
            read.append(frame)  # noqa: PERF402  # those before the damage stay
    except DamageError:
        return read, "damaged"
    except RefusedError:
        return read, "refused"
    return read, "torn" if tape.torn else ""


@pytest.mark.parametrize("close", [True, False])
def test_a_flipped_byte_is_found_and_never_read(tmp_path, close):
    """In an open tape it may be torn: then no good frame follows."""
    make_tape(tmp_path / "t", 120, close=close)
    whole, said = frames(tmp_path / "t"), Counter()
    assert whole[1] == "" and len(whole[0]) == 121
    rng, path = random.Random(1), tmp_path / "t" / "0000000001.tape"
    data = path.read_bytes()
    for _ in range(300):
        changed = bytearray(data)
        # The zeros of an open segment are most of it.
        at = rng.randrange(len(data) if rng.random() < 0.1 else len(data.rstrip(b"\0")))
        changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        read, found = frames(tmp_path / "t")
        assert found and read == whole[0][: len(read)], at
        report = verify(tmp_path / "t")
        assert (found == "torn") == (report.ok and report.torn_bytes > 0), (at, found, report)
        said[found] += 1
    assert said["damaged"] > 200 and (said["torn"] > 10) == (not close)


def test_a_cut_tail_is_torn_and_no_data(tmp_path):
    make_tape(tmp_path / "t", 60, close=False)
    path, (whole, _) = tmp_path / "t" / "0000000001.tape", frames(tmp_path / "t")
    data = path.read_bytes()
    used = len(data.rstrip(b"\0"))
    begin = int.from_bytes(data[80:88], "little")
    for size in range(begin, used, 37):
        path.write_bytes(data[:size])
        read, found = frames(tmp_path / "t")
        assert found == "torn" and read == whole[: len(read)] and len(read) < len(whole)
    code, out, _ = reader(tmp_path / "t")
    assert (code == 0 and f"torn at 0000000001.tape at byte {size - (size - begin) % 96}" in out) or "cut off" in out


def test_a_sealed_tape_that_was_cut_is_damaged_at_a_place(tmp_path):
    make_tape(tmp_path / "t", 3)
    path = tmp_path / "t" / "0000000001.tape"
    path.write_bytes(path.read_bytes()[:-40])
    assert reader(tmp_path / "t")[0::2] == (3, "damaged: 0000000001.tape at byte 96: not sealed at this size\n")


def test_a_missing_segment_is_damage(tmp_path):
    make_tape(tmp_path / "t", 8000)
    for path in sorted((tmp_path / "t").glob("*.tape")):
        aside = path.rename(tmp_path / "aside")
        assert frames(tmp_path / "t")[1] == "damaged", path.name
        aside.rename(path)


def test_compressed_segments_are_read_or_refused_by_name(tmp_path, monkeypatch):
    make_tape(tmp_path / "t", 8000)
    whole = frames(tmp_path / "t")
    assert run(["journal", "prune", str(tmp_path / "t"), "--compress"]) == 0
    names = [each.name for each in (tmp_path / "t").glob("*.tape.zst")]
    assert names
    if shutil.which("zstd"):
        assert frames(tmp_path / "t") == whole
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RefusedError, match=f"{min(names)}: compressed; install zstd"):
        list(Tape(tmp_path / "t").frames())


def test_a_newer_format_is_refused_by_name(tmp_path):
    make_tape(tmp_path / "t", 3)
    path = tmp_path / "t" / "0000000001.tape"
    data = bytearray(path.read_bytes())
    data[8] = 2
    plain = data[:12] + bytes(4) + data[16:96] + bytes(8) + data[104:256]
    data[12:16] = crc32c(bytes(plain)).to_bytes(4, "little")
    path.write_bytes(data)
    code, _, said = reader(tmp_path / "t")
    assert (code, said) == (2, "not read: 0000000001.tape: format version 2; this program reads version 1\n")


def test_a_type_that_a_newer_version_adds_is_counted(tmp_path):
    writer = JournalWriter(tmp_path / "t", **SMALL)
    writer.core.append(999, b"12345678", 0, 0, 5)
    writer.close()
    (frame,) = Tape(tmp_path / "t").frames()
    assert (frame.type, frame.payload, frame.fields()) == ("type_999", b"12345678", {})
