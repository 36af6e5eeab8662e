"""Balances between processes: a gateway's table that is killed, frozen, stopped or attacked."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.table_process import UNIT, TableProcess, spin_amounts
from onetape.accounts import StrategyBalanceManager
from onetape.accounts.table import AccountReader
from onetape.model.errors import ProcessDown, StaleData
from waiting import PATIENCE_S

IS_LONG = "ONETAPE_LONG" in os.environ


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[TableProcess]:
    process = TableProcess(tmp_path)
    yield process
    process.process.kill()  # again does no harm
    process.reap()


def refused_within(manager: StrategyBalanceManager, error: type[Exception]) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            manager.get_balance("USD")
        except error:
            return
        time.sleep(0.01)
    pytest.fail(f"a balance was still told after {PATIENCE_S} s")


def test_a_quiet_market_with_a_live_gateway_is_never_stale(tmp_path: Path, gateway: TableProcess) -> None:
    gateway.say("put USD 1 100,20")  # as of 1970
    gateway.say("ready")
    manager = StrategyBalanceManager("kraken", home=tmp_path, max_age=PATIENCE_S)
    reader = AccountReader(tmp_path, "gateway:main")
    seen = set()
    until = time.monotonic() + PATIENCE_S
    while len(seen) < 10 and time.monotonic() < until:  # ten signs of life, no data
        seen.add(reader.state.heartbeat)
        assert manager.get_balance("USD") == 120
    assert len(seen) == 10


def test_a_frozen_gateway_is_stale_and_one_that_goes_on_is_not(tmp_path: Path, gateway: TableProcess) -> None:
    gateway.say("put USD 1 100")
    gateway.say("ready")
    max_age = 0.3
    manager = StrategyBalanceManager("kraken", home=tmp_path, max_age=max_age)
    patient = StrategyBalanceManager("kraken", home=tmp_path, max_age=PATIENCE_S)
    assert patient.get_balance("USD") == 100
    gateway.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, gateway.process.pid, os.WSTOPPED | os.WNOWAIT)
    frozen = time.monotonic()
    while True:
        request = time.monotonic()
        try:
            manager.get_balance("USD")
        except StaleData as error:
            assert "has had no heartbeat for" in str(error)
            break
        assert request - frozen <= max_age, "an old balance was told"
    gateway.process.send_signal(signal.SIGCONT)
    gateway.say("put USD 2 101")
    assert patient.get_balance("USD") == 101


def test_a_killed_gateway_is_down_and_the_next_one_is_followed(tmp_path: Path, gateway: TableProcess) -> None:
    gateway.say("put USD 1 100")
    gateway.say("ready")
    manager = StrategyBalanceManager("kraken", home=tmp_path, max_age=0.3)
    gateway.kill()
    refused_within(manager, ProcessDown)
    second = TableProcess(tmp_path)  # over the files of the one that was killed
    late = StrategyBalanceManager("kraken", home=tmp_path, max_age=PATIENCE_S)
    with pytest.raises(StaleData, match="not ready"):
        late.get_balance("USD")
    second.say("put USD 2 50,7")
    second.say("ready")
    assert late.get_balance("USD", 2) == 7
    second.say("close")
    second.reap()
    assert list((tmp_path / "state").iterdir()) == []
    with pytest.raises(ProcessDown):
        late.get_balance("USD")


def test_a_second_gateway_of_the_account_does_not_start(tmp_path: Path, gateway: TableProcess) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("table_process.py")), tmp_path, "main", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "JOURNAL_LOCKED(4505)" in done.stderr
    gateway.say("put USD 1 100")
    gateway.say("ready")


def test_gateways_killed_at_full_speed_never_show_slots_that_do_not_add_up(tmp_path: Path) -> None:
    manager: StrategyBalanceManager | None = None
    for _ in range(40 if IS_LONG else 3):
        gateway = TableProcess(tmp_path)
        gateway.say("spin USD")
        manager = manager or StrategyBalanceManager("kraken", home=tmp_path, max_age=PATIENCE_S)
        group = AccountReader(tmp_path, "gateway:main").state.slots("balance", "USD")
        assert group is not None
        last = 0
        reads = 0
        while last < 2000 or reads < 2:  # a busy machine may let it write so far between two reads
            recorded = group.all()
            assert recorded is not None
            totals, held, _, ts_data, sequence, _ = recorded
            assert totals[0] == sum(totals[1:])
            assert held[0] == sum(held[1:])
            assert totals[1:] == [amount * UNIT for amount in spin_amounts(sequence)]
            assert ts_data == sequence * 1000
            assert sequence >= last
            amounts = manager.get_all("USD")
            assert amounts[0] == sum(amounts[1:])
            last, reads = sequence, reads + 1
        gateway.kill()
        recorded = group.all()  # what it left is whole
        assert recorded is not None
        assert recorded[0][1:] == [amount * UNIT for amount in spin_amounts(recorded[4])]
        assert reads > 1


def test_a_reader_killed_at_any_moment_disturbs_nobody(tmp_path: Path, gateway: TableProcess) -> None:
    gateway.say("spin USD")
    code = (
        "import sys; from onetape.accounts import StrategyBalanceManager\n"
        "manager = StrategyBalanceManager('kraken', home=sys.argv[1], max_age=60)\n"
        "print(manager.get_balance('USD'), flush=True)\n"
        "while True: manager.get_all('USD')\n"
    )
    for _ in range(2):
        reader = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        assert reader.stdout is not None
        assert reader.stdout.readline()
        reader.kill()
        reader.wait(PATIENCE_S)
        reader.stdout.close()
        manager = StrategyBalanceManager("kraken", home=tmp_path, max_age=PATIENCE_S)
        before = manager.get_balance("USD")
        until = time.monotonic() + PATIENCE_S
        while manager.get_balance("USD") == before and time.monotonic() < until:
            pass
        assert manager.get_balance("USD") > before


STORE = """
import ctypes, sys
from onetape.accounts import StrategyBalanceManager
manager = StrategyBalanceManager("kraken", home=sys.argv[1], max_age=60)
assert manager.get_balance("USD") == 100
maps = [line.split() for line in open("/proc/self/maps") if "gateway:main.table" in line]
print(sorted({each[1] for each in maps}), flush=True)
ctypes.memset(int(maps[int(sys.argv[2])][0].split("-")[1], 16) - 4096, 1, 8)  # its last page; one may have no other
print("stored", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/maps tells where it is mapped")
@pytest.mark.parametrize("which", [0, 1], ids=["first", "second"])
def test_a_store_through_a_readers_mapping_ends_the_reader(tmp_path: Path, gateway: TableProcess, which: int) -> None:
    gateway.say("put USD 1 100")
    gateway.say("ready")
    done = subprocess.run(
        [sys.executable, "-c", STORE, str(tmp_path), str(which)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['r--s']\n", done.stderr
    assert done.returncode == -signal.SIGSEGV
    manager = StrategyBalanceManager("kraken", home=tmp_path, max_age=PATIENCE_S)
    assert manager.get_balance("USD") == 100


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try it")
def test_another_user_can_open_a_table_neither_for_write_nor_for_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # as a home that others may look into
        gateway = TableProcess(home)
        state = home / "state"
        files = sorted(state.iterdir())
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        state.chmod(0o755)  # the files alone are to be enough
        tried = "\n".join(
            f"for flags in (os.O_RDWR, os.O_RDONLY):\n"
            f"  try: os.open({str(file)!r}, flags); print('opened')\n"
            f"  except OSError as error: print(errno.errorcode[error.errno])"
            for file in files
        )
        done = subprocess.run(
            [sys.executable, "-c", f"import errno, os\nos.setuid(65534)\n{tried}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == ["EACCES"] * 2 * len(files)
        gateway.say("close")
        gateway.reap()
